import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// The threads of one run, seen from the one that collects their outcomes.
///
/// A thread that takes longer over a file than the options allow is abandoned and replaced.
struct WorkerPool: ~Copyable {
  private struct Member {
    let role: StagePipeline.Role
    /// What it keeps to; nil for all.
    let cpus: [Int]?
    let watchdog: Watchdog
    let thread: WorkerThread
  }

  /// How many threads may be stuck before it is plain that the machine is, and not the files.
  private static let expiredLimit = 32

  private let stages: StagePipeline
  private let timeout: Duration?
  private let uptime: @Sendable () -> UInt64
  private let clock: RunningClock
  private var members: [Member] = []
  private var expired = 0

  init(
    _ nextFile: @escaping @Sendable () -> FileJob?, waits: Bool,
    onlyFolder: (FilePath, LinkRule)?, processor: FileProcessor, threads: ThreadPlan,
    cancellation: Cancellation
  ) {
    // One thread feeds, and one serves, two workers: an image takes longer to infer than to decode
    // or encode.
    let helpers = (threads.jobs + 1) / 2
    stages = StagePipeline(
      nextFile, waits: waits, onlyFolder: onlyFolder, processor: processor, threads: threads,
      helpers: helpers,
      cancellation: cancellation)
    timeout = processor.options.timeout
    uptime = processor.options.uptime
    clock = RunningClock(uptime: uptime())
    for _ in 0..<helpers {
      start(.reader)
      start(.writer)
    }
    for number in 0..<threads.jobs { start(.worker, on: threads.cpus?[number]) }
  }

  private mutating func start(_ role: StagePipeline.Role, on cpus: [Int]? = nil) {
    let watchdog = Watchdog(clock)
    do throws(RunFailure) {
      let thread = try WorkerThread(cpus: cpus) { [stages] in stages.run(role, watchdog) }
      members.append(Member(role: role, cpus: cpus, watchdog: watchdog, thread: thread))
    } catch {
      stages.cancellation.cancel(.failure(error))
      stages.close(role)
    }
  }

  /// The next outcome; nil when there will be none.
  mutating func next() -> Outcome? {
    guard let timeout else { return stages.outcomes.pop() }
    // Fine enough for limits of a second and more, and no load.
    let tick = min(0.1, Double(timeout.nanoseconds) / 4e9)
    while true {
      let outcome = stages.outcomes.pop(until: Date(timeIntervalSinceNow: tick))
      // Threads are late on a machine under load; a process that was stopped is so by more.
      clock.advance(atMost: UInt64(tick * 1e9) * 10, uptime: uptime())
      if let outcome { return outcome }
      if stages.outcomes.isFinished { return nil }
      if let outcome = expireOne(after: timeout) { return outcome }
    }
  }

  /// Replaces a thread that takes too long, if there is one, and fails its file.
  private mutating func expireOne(after limit: Duration) -> Outcome? {
    for (index, member) in members.enumerated() {
      guard let job = member.watchdog.expire(after: limit.nanoseconds) else { continue }
      member.thread.detach()
      members.remove(at: index)
      expired += 1
      if expired == Self.expiredLimit {
        stages.cancellation.cancel(
          .failure(
            RunFailure(
              .temporary,
              "\(expired) files took longer than \(limit.text) and hang still",
              detail: .stuckFiles)))
      }
      start(member.role, on: member.cpus)
      let failure = FileFailure(
        stage: member.role.stage, code: .timeout, message: "not done within \(limit.text)")
      stages.stop(after: failure)
      return job.outcome(.failed(failure))
    }
    return nil
  }

  /// Waits for all threads that were not abandoned.
  consuming func join() {
    for member in members { member.thread.join() }
  }
}
