import Dispatch
import M2FP
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization
import SystemPackage

/// Parses many files: readers decode ahead, workers infer, writers encode behind.
///
/// Only `Sendable` values pass between the threads; a session never leaves its worker, because
/// libtorch keeps the intra-op thread count per thread.
public struct Batch: Sendable {
  let processor: FileProcessor

  /// - Parameters:
  ///   - parser: What parses the photos.
  ///   - options: What to do with each file.
  ///   - model: How the sidecars name the model.
  /// - Precondition: The parser tells persons apart: what was found is to be rendered from.
  public init(parser: Parser, options: BatchOptions, model: ModelIdentity) {
    precondition(parser.options.persons != nil, "results on disk tell persons apart")
    processor = FileProcessor(parser: parser, options: options, model: model)
  }

  /// A batch that renders what was found before, and has no network.
  ///
  /// - Parameters:
  ///   - encoder: What is made of the results.
  ///   - remap: Into what classes they are put; nil to leave them in those that they are in.
  ///   - options: What to do with each file.
  public init(rendering encoder: ResultEncoder, remap: ClassRemap?, options: BatchOptions) {
    processor = FileProcessor(rendering: encoder, remap: remap, options: options)
  }

  /// Tells which of `files` have outputs that are current.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - cancellation: Ends the check; what is left then counts as new.
  /// - Returns: The files in their order.
  public func check(_ files: [PlannedFile], cancellation: Cancellation) -> CheckedFiles {
    processor.check(files, cancellation: cancellation)
  }

  /// Tells what ``run(_:on:cancellation:meanwhile:report:)`` would do, and changes nothing.
  ///
  /// - Parameters:
  ///   - files: What was checked.
  ///   - cancellation: Looked at before each file.
  ///   - report: Called once a file.
  /// - Returns: The totals.
  public func dryRun(
    _ files: CheckedFiles, cancellation: Cancellation, report: (Outcome) -> Void
  ) -> BatchSummary {
    var tally = Tally()
    for job in files.all {
      if cancellation.isCancelled { break }
      let outcome = processor.dryRun(job)
      tally.add(outcome)
      report(outcome)
    }
    return tally.summary(cancellation, files: files.count)
  }

  /// Parses `files`, but for those that are current; returns when all are done or the run was
  /// cancelled.
  ///
  /// - Parameters:
  ///   - files: What was checked.
  ///   - threads: How many workers there are, and how many threads each has.
  ///   - cancellation: Looked at before each file is begun.
  ///   - meanwhile: Called on the calling thread while the first files are read, if there are any to
  ///     be parsed.
  ///   - report: Called once a file, on the calling thread, in the order of completion.
  /// - Returns: The run's totals, and why it ended early if it did.
  public func run(
    _ files: CheckedFiles, on threads: ThreadPlan, cancellation: Cancellation,
    meanwhile: () -> Void = {}, report: (Outcome) -> Void
  ) -> BatchSummary {
    var tally = Tally()
    func take(_ outcome: Outcome) {
      tally.add(outcome)
      report(outcome)
    }
    let folders = files.all.reduce(into: [FilePath: LinkRule]()) { folders, job in
      guard job.file.input.failure == nil else { return }
      folders[job.file.outputs.folder] = job.file.outputs.rule
    }
    for (folder, rule) in folders {
      Self.removeLeftovers(in: folder, following: rule)
    }
    for job in files.all where job.status == .current { take(job.outcome(.current)) }
    if !files.due.isEmpty {
      let due = DueFiles(files.due)
      let onlyFolder = folders.count == 1 ? folders.first.map { ($0.key, $0.value) } : nil
      work(
        { due.next() }, waits: false, onlyFolder: onlyFolder, on: threads,
        cancellation: cancellation, meanwhile: meanwhile, report: take)
    }
    return tally.summary(cancellation, files: files.count)
  }

  /// Parses files as they come, but for those that are current; returns when the stream has ended and all
  /// are done, or the run was cancelled.
  ///
  /// - Parameters:
  ///   - stream: The files; it takes no more when this returns.
  ///   - threads: How many workers there are, and how many threads each has.
  ///   - cancellation: Looked at before each file is begun.
  ///   - report: Called once a file, on the calling thread, in the order of completion.
  /// - Returns: The run's totals, and why it ended early if it did.
  public func run(
    _ stream: FileStream, on threads: ThreadPlan, cancellation: Cancellation,
    report: (Outcome) -> Void
  ) -> BatchSummary {
    var tally = Tally()
    let check = processor.check
    let cleaned = Locked<Set<FilePath>>([])
    work(
      {
        guard let file = stream.next() else { return nil }
        let names = file.outputs
        // Of a folder that nobody has written to yet.
        if file.input.failure == nil,
          cleaned.withLock({ $0.insert(names.folder).inserted })
        {
          Self.removeLeftovers(in: names.folder, following: names.rule)
        }
        return FileJob(file, status: check(file))
      }, waits: true, onlyFolder: nil, on: threads, cancellation: cancellation
    ) {
      tally.add($0)
      report($0)
    }
    stream.close()
    return tally.summary(cancellation, files: stream.total)
  }

  private static func removeLeftovers(in folder: FilePath, following rule: LinkRule) {
    AtomicFiles.removeLeftovers(
      in: folder, andFoldersEnding: OutputNames.masksSuffix, following: rule)
  }

  /// Has the threads work on what `nextFile` gives.
  private func work(
    _ nextFile: @escaping @Sendable () -> FileJob?, waits: Bool, onlyFolder: (FilePath, LinkRule)?,
    on threads: ThreadPlan, cancellation: Cancellation, meanwhile: () -> Void = {},
    report: (Outcome) -> Void
  ) {
    do throws(RunFailure) {
      try threads.check()
    } catch {
      return cancellation.cancel(.failure(error))
    }
    let options = processor.options
    var pool = WorkerPool(
      nextFile, waits: waits, onlyFolder: options.outputRoot.map { ($0, .all) } ?? onlyFolder,
      processor: processor, threads: threads, cancellation: cancellation)
    meanwhile()
    while let outcome = pool.next() { report(outcome) }
    pool.join()
    options.cache?.pruneStored()
  }
}

/// The files of a run that are to be done, given out one by one.
private final class DueFiles: Sendable {
  private let jobs: [FileJob]
  private let index = Atomic<Int>(0)

  init(_ jobs: [FileJob]) {
    self.jobs = jobs
  }

  func next() -> FileJob? {
    let index = index.wrappingAdd(1, ordering: .relaxed).oldValue
    return index < jobs.count ? jobs[index] : nil
  }
}

/// Counts the outcomes of a run.
private struct Tally {
  private let start = DispatchTime.now().uptimeNanoseconds
  private var counts = BatchSummary()
  private var done = 0

  mutating func add(_ outcome: Outcome) {
    switch outcome.result {
    case .parsed: counts.parsed += 1
    case .cached: counts.cached += 1
    case .rendered: counts.rendered += 1
    case .edited: counts.edited += 1
    case .current: counts.current += 1
    case .planned: counts.planned += 1
    case .failed: counts.failed += 1
    }
    counts.removed += outcome.removed.count
    done += 1
  }

  /// The totals of a run over so many `files`.
  func summary(_ cancellation: Cancellation, files: Int) -> BatchSummary {
    var summary = counts
    summary.remaining = files - done
    summary.stop = cancellation.reason
    summary.wallSeconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    summary.peakMemory = ProcessMemory.peak()
    return summary
  }
}
