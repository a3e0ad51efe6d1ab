import FoundationEssentials
import M2FPCore

/// How the CPUs are shared out: workers, and intra-op threads of each.
public struct ThreadPlan: Sendable, Equatable {
  public let jobs: Int
  public let threads: Int
  /// Of each worker, in the order of their numbers, the CPUs that its threads keep to; nil where the
  /// system is left to choose.
  public private(set) var cpus: [[Int]]?

  /// As many threads as a run may have at once: workers and their intra-op threads, those that read
  /// and write for them, and those of libraries that take a CPU each while the network is loaded.
  var mostThreads: Int {
    Self.threads(jobs: jobs, threads: threads) + ProcessInfo.processInfo.activeProcessorCount
  }

  /// Checks that as many threads can be started.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` where the system starts fewer.
  public func check() throws(RunFailure) { try WorkerThread.check(mostThreads) }

  /// Workers with their intra-op threads, and those that read and write for them.
  public static func threads(jobs: Int, threads: Int) -> Int {
    jobs * threads + 2 * ((jobs + 1) / 2)
  }

  /// Fills in what the user left open.
  ///
  /// One thread a worker is the fastest split where there are enough files: no barrier is ever
  /// waited at. Fewer files than CPUs leave threads to each worker.
  public init(jobs: Int?, threads: Int?, files: Int, budget: CPUBudget) {
    let cpus = budget.usable
    switch (jobs, threads) {
    case (let jobs?, let threads?): (self.jobs, self.threads) = (jobs, threads)
    case (let jobs?, nil): (self.jobs, self.threads) = (jobs, max(1, cpus / jobs))
    case (nil, let threads?):
      (self.jobs, self.threads) = (max(1, min(files, cpus / threads)), threads)
    case (nil, nil):
      let jobs = max(1, min(files, cpus))
      (self.jobs, self.threads) = (jobs, max(1, cpus / jobs))
    }
  }

  /// Gives each worker CPUs of its own, as many as it has threads, of one node as far as that goes.
  ///
  /// The node with the most CPUs left has the next worker, so that workers spread over all nodes, and
  /// over cores before their second hardware threads. Where there are more threads than CPUs they are
  /// given out again.
  public mutating func pin(to topology: CPUTopology) {
    var nodes: [[Int]] = []
    cpus = (0..<jobs).map { _ in
      var own: [Int] = []
      while own.count < threads {
        if nodes.allSatisfy(\.isEmpty) {
          // Never a CPU twice for one worker.
          nodes = topology.nodes.map { $0.filter { !own.contains($0) } }
          if nodes.allSatisfy(\.isEmpty) { break }
        }
        let fullest = nodes.indices.max { (nodes[$0].count, $1) < (nodes[$1].count, $0) } ?? 0
        let taken = nodes[fullest].prefix(threads - own.count)
        nodes[fullest].removeFirst(taken.count)
        own += taken
      }
      return own
    }
  }
}
