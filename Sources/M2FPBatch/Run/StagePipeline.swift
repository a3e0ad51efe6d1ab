import M2FP
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization
import SystemPackage

/// What the threads of one run share: the files to do, and the queues from thread to thread.
final class StagePipeline: Sendable {
  /// What a thread does.
  enum Role {
    case reader, worker, writer

    /// The stage to name when all that is known is which thread was at it.
    var stage: Stage {
      switch self {
      case .reader: .read
      case .worker: .infer
      case .writer: .write
      }
    }
  }

  let cancellation: Cancellation
  let outcomes: BoundedQueue<Outcome>
  /// The next file to read, which it may wait for; nil when there will be none. Any thread.
  private let nextFile: @Sendable () -> FileJob?
  /// Whether ``nextFile`` may wait: then no file is put off until it does not.
  private let waits: Bool
  /// Where all outputs go, and which links are followed there; nil if they go to several folders.
  private let onlyFolder: (path: FilePath, rule: LinkRule)?
  private let processor: FileProcessor
  /// Intra-op threads of a worker.
  private let intraOpThreads: Int
  private let loaded: BoundedQueue<FileProcessor.Loaded>
  private let parsed: BoundedQueue<FileProcessor.Parsed>
  private let deferred = Locked<[(FileJob, key: String)]>([])
  private let failed = Atomic<Int>(0)

  /// - Parameters:
  ///   - nextFile: Gives the files.
  ///   - waits: Whether it may wait for one.
  ///   - onlyFolder: Where all outputs go, and which links are followed there; nil for several folders.
  ///   - processor: What is done with each.
  ///   - threads: How many workers there are, and how many threads each has.
  ///   - helpers: Readers, and as many writers.
  ///   - cancellation: Looked at before each file is begun.
  init(
    _ nextFile: @escaping @Sendable () -> FileJob?, waits: Bool, onlyFolder: (FilePath, LinkRule)?,
    processor: FileProcessor,
    threads: ThreadPlan, helpers: Int, cancellation: Cancellation
  ) {
    self.nextFile = nextFile
    self.waits = waits
    self.onlyFolder = onlyFolder
    self.processor = processor
    self.cancellation = cancellation
    intraOpThreads = threads.threads
    loaded = BoundedQueue(capacity: threads.jobs + 1, producers: helpers)
    parsed = BoundedQueue(capacity: helpers, producers: threads.jobs)
    // Readers and workers report, too, and outlive no writer.
    outcomes = BoundedQueue(capacity: 1024, producers: helpers)
  }

  private func report(_ outcome: Outcome) {
    if case .failed(let failure) = outcome.result { stop(after: failure) }
    outcomes.push(outcome)
  }

  /// Ends the run when a failure tells that going on is pointless or not wanted.
  func stop(after failure: FileFailure) {
    let failed = failed.wrappingAdd(1, ordering: .relaxed).newValue
    if failure.code == .diskFull {
      cancellation.cancel(
        .failure(.notWritable(.results, failure)))
    }
    if let limit = processor.options.maxErrors, failed >= limit { cancellation.cancel(.errorLimit) }
  }

  /// The whole life of a thread. An abandoned thread leaves the rest, and its place as a producer,
  /// to its successor.
  func run(_ role: Role, _ watchdog: Watchdog) {
    switch role {
    case .reader: if readFiles(watchdog) { loaded.finish() }
    case .worker: if parseFiles(watchdog) { parsed.finish() }
    case .writer: if writeFiles(watchdog) { outcomes.finish() }
    }
  }

  /// Does without a thread that could not be started, in a run that was cancelled for that: nobody
  /// waits for what it would have taken or given.
  func close(_ role: Role) {
    switch role {
    case .reader: loaded.finish()
    case .worker:
      loaded.close()
      parsed.finish()
    case .writer:
      parsed.close()
      outcomes.finish()
    }
  }

  /// - Returns: Whether the thread came to its end, rather than being abandoned.
  private func readFiles(_ watchdog: Watchdog) -> Bool {
    while !cancellation.isCancelled, let (job, mayDefer) = nextJob() {
      guard let bytes = watchdog.watch(job, { processor.bytesToRestore(job) }) else { return false }
      if bytes > 0 {
        // It waits for other files, which is not its time.
        guard let share = processor.memory.take(bytes, unless: { cancellation.isCancelled }) else {
          continue
        }
        job.hold(share)
      }
      let result = watchdog.watch(job) {
        processor.load(job, mayDefer: mayDefer, cancellation: cancellation)
      }
      switch result {
      case .loaded(let image): loaded.push(image)
      case .done(let outcome): report(outcome)
      case .deferred(let key):
        job.hold(nil)
        deferred.withLock { $0.append((job, key)) }
      case nil: return false
      }
    }
    return true
  }

  /// The next file to read: one that nobody has read, and when there is none, one that waited for
  /// another with the same bytes, which it does once only.
  private func nextJob() -> (FileJob, mayDefer: Bool)? {
    if let job = nextFile() { return (job, !waits) }
    guard let (job, key) = deferred.withLock({ $0.popLast() }) else { return nil }
    processor.keys.wait(for: key, timeout: processor.options.timeout, cancellation: cancellation)
    return cancellation.isCancelled ? nil : (job, false)
  }

  private func parseFiles(_ watchdog: Watchdog) -> Bool {
    // Made for the first image: a run in which all is current loads no network.
    var worker: ParserWorker?
    while let image = loaded.pop() {
      // What was only read ahead has not been begun.
      if cancellation.isCancelled { continue }
      if worker == nil, image.needsNetwork, let parser = processor.parser {
        // Loading is watched, too: nobody knows how long a stranger's archive takes.
        let allowance = processor.options.loadingAllowance.nanoseconds
        switch watchdog.watch(image.job, allowance: allowance, { makeWorker(parser) }) {
        case .success(let made)?: worker = made
        case .failure(let failure)?: cancellation.cancel(.failure(failure))
        case nil: return false
        }
      }
      if worker == nil, image.needsNetwork { continue }
      let result = watchdog.watch(image.job) {
        Result { () throws(FileFailure) in
          try processor.parse(image, worker: worker)
        }
      }
      switch result {
      case .success(let result): parsed.push(result)
      case .failure(let failure):
        report(image.job.outcome(.failed(failure), image.times, warnings: image.notes))
      case nil: return false
      }
    }
    return true
  }

  private func makeWorker(_ parser: Parser) -> Result<ParserWorker, RunFailure> {
    Result { () throws(RunFailure) in
      // Now rather than after the first inference; not before, as where all is current nothing is
      // written.
      if let (path, rule) = onlyFolder { try AtomicFiles.checkWritable(path, following: rule) }
      return try parser.makeWorker(threads: intraOpThreads)
    }
  }

  private func writeFiles(_ watchdog: Watchdog) -> Bool {
    while let result = parsed.pop() {
      let outcome = watchdog.watch(result.loaded.job) {
        processor.write(result, cancellation: cancellation)
      }
      guard let outcome else { return false }
      report(outcome)
    }
    return true
  }
}
