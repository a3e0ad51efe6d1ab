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

  /// A value on its way to the next thread.
  private struct Job<Value: Sendable>: Sendable {
    let file: FileJob
    let value: Value
  }

  let cancellation: Cancellation
  let outcomes: BoundedQueue<Outcome>
  private let files: [CheckedFile]
  /// Where all outputs go, and which links are followed there; nil if they go to several folders.
  private let onlyFolder: (path: FilePath, rule: LinkRule)?
  private let processor: FileProcessor
  private let loaded: BoundedQueue<Job<FileProcessor.Loaded>>
  private let parsed: BoundedQueue<Job<FileProcessor.Parsed>>
  private let nextIndex = Atomic<Int>(0)
  private let deferred = Locked<[(FileJob, key: String)]>([])
  private let failed = Atomic<Int>(0)

  init(
    files: [CheckedFile], onlyFolder: (FilePath, LinkRule)?, processor: FileProcessor, jobs: Int,
    helpers: Int,
    cancellation: Cancellation
  ) {
    self.files = files
    self.onlyFolder = onlyFolder
    self.processor = processor
    self.cancellation = cancellation
    loaded = BoundedQueue(capacity: jobs + 1, producers: helpers)
    parsed = BoundedQueue(capacity: helpers, producers: jobs)
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
    while !cancellation.isCancelled, let (file, mayDefer) = nextFile() {
      let result = watchdog.watch(file) {
        processor.load(file.file, mayDefer: mayDefer, cancellation: cancellation)
      }
      switch result {
      case .loaded(let image): loaded.push(Job(file: file, value: image))
      case .done(let outcome): report(outcome)
      case .deferred(let key): deferred.withLock { $0.append((file, key)) }
      case nil: return false
      }
    }
    return true
  }

  /// The next file to read: one that nobody has read, and when there is none, one that waited for
  /// another with the same bytes, which it does once only.
  private func nextFile() -> (FileJob, mayDefer: Bool)? {
    let index = nextIndex.wrappingAdd(1, ordering: .relaxed).oldValue
    if index < files.count { return (FileJob(files[index]), true) }
    guard let (file, key) = deferred.withLock({ $0.popLast() }) else { return nil }
    processor.keys.wait(for: key, timeout: processor.options.timeout, cancellation: cancellation)
    return cancellation.isCancelled ? nil : (file, false)
  }

  private func parseFiles(_ watchdog: Watchdog) -> Bool {
    // Made for the first image: a run in which all is current loads no network.
    var worker: ParserWorker?
    while let next = loaded.pop() {
      // What was only read ahead has not been begun.
      if cancellation.isCancelled { continue }
      let needsNetwork = next.value.needsNetwork
      if worker == nil, needsNetwork, let parser = processor.parser {
        // Loading is watched, too: nobody knows how long a stranger's archive takes.
        let allowance = processor.options.loadingAllowance.nanoseconds
        switch watchdog.watch(next.file, allowance: allowance, { makeWorker(parser) }) {
        case .success(let made)?: worker = made
        case .failure(let failure)?: cancellation.cancel(.failure(failure))
        case nil: return false
        }
      }
      if worker == nil, needsNetwork { continue }
      let image = next.value
      let result = watchdog.watch(next.file) {
        Result { () throws(FileFailure) in
          try processor.parse(image, worker: worker)
        }
      }
      switch result {
      case .success(let result): parsed.push(Job(file: next.file, value: result))
      case .failure(let failure):
        report(
          Outcome(
            input: image.file.input, outputs: image.file.outputs, result: .failed(failure),
            seconds: image.times, warnings: image.notes, removed: []))
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
      return try parser.makeWorker(threads: processor.options.plan.threads)
    }
  }

  private func writeFiles(_ watchdog: Watchdog) -> Bool {
    while let next = parsed.pop() {
      guard
        let outcome = watchdog.watch(
          next.file, { processor.write(next.value, cancellation: cancellation) })
      else {
        return false
      }
      report(outcome)
    }
    return true
  }
}
