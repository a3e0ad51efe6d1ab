/// The jobs that can be asked for by their ids: those at work, and for a while those that are done.
struct JobStore {
  var limits: ServiceLimits
  private var jobs: [String: Job] = [:]
  /// Bytes of the results of finished ones.
  private(set) var bytes = 0

  init(_ limits: ServiceLimits) {
    self.limits = limits
  }

  var count: Int { jobs.count }

  var all: some Collection<Job> { jobs.values }

  subscript(id: String) -> Job? { jobs[id] }

  mutating func add(_ job: Job) { jobs[job.id] = job }

  mutating func remove(_ job: Job) {
    guard jobs.removeValue(forKey: job.id) != nil else { return }
    bytes -= Self.size(job)
  }

  /// Counts in what a job has come to, which it had not before; for that, others may have to go: first
  /// those whose results were fetched, then those that were done first.
  mutating func finish(_ job: Job) {
    guard jobs[job.id] != nil else { return }
    bytes += Self.size(job)
    guard bytes > limits.resultBytes else { return }
    let finished = jobs.values.filter { $0.finished != nil && $0 !== job }.sorted {
      ($0.wasFetched ? 0 : 1, $0.finished ?? 0) < ($1.wasFetched ? 0 : 1, $1.finished ?? 0)
    }
    for other in finished where bytes > limits.resultBytes { remove(other) }
  }

  /// Forgets those that were done long ago.
  mutating func expire(now: Double) {
    for job in jobs.values {
      if let finished = job.finished, now - finished >= limits.resultTTL { remove(job) }
    }
  }

  /// Those that failed have no result, and are not for nothing.
  private static func size(_ job: Job) -> Int {
    switch job.outcome {
    case .done(let result, _): result.size
    case .failed, .expired, .cancelled, .refused: 1024
    case nil: 0
    }
  }
}
