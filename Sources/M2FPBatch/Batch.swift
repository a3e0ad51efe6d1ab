import Foundation
import M2FPCore
import Synchronization

/// Asks a running batch to stop: files in hand are finished, no further one is begun.
public final class Cancellation: Sendable {
  private let flag = Atomic<Bool>(false)

  public init() {}

  public func cancel() { flag.store(true, ordering: .relaxed) }

  public var isCancelled: Bool { flag.load(ordering: .relaxed) }
}

/// Parses many files: readers decode ahead, workers infer, writers encode behind.
///
/// Only `Sendable` values pass between the threads; a session never leaves its worker, because
/// libtorch keeps the intra-op thread count per thread.
public struct Batch: Sendable {
  /// Makes the session of a worker, on that worker's thread.
  public typealias SessionFactory = @Sendable () throws(RunFailure) -> any NetworkSession

  private let pipeline: FilePipeline
  private let plan: ThreadPlan
  private let makeSession: SessionFactory

  /// - Parameters:
  ///   - options: What to do with each file.
  ///   - contract: The model's contract.
  ///   - network: How the sidecars name the model.
  ///   - makeSession: Makes the session of a worker.
  public init(
    options: BatchOptions, contract: ModelContract, network: Sidecar.Network,
    makeSession: @escaping SessionFactory
  ) {
    self.pipeline = FilePipeline(options: options, contract: contract, network: network)
    self.plan = options.plan
    self.makeSession = makeSession
  }

  /// Parses `files`; returns when all are done or the run was cancelled.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - cancellation: Looked at before each file is begun.
  ///   - report: Called once a file, on the calling thread, in the order of completion.
  /// - Returns: The run's totals, and why it ended early if it did.
  public func run(
    _ files: [PlannedFile], cancellation: Cancellation, report: (Outcome) -> Void
  ) -> BatchSummary {
    let start = DispatchTime.now().uptimeNanoseconds
    let folders = Set(files.lazy.filter { $0.input.failure == nil }.map(\.outputs.folder))
    for folder in folders { AtomicFiles.removeLeftovers(in: folder) }
    // One thread feeds, and one serves, two workers: an image takes longer to infer than to decode
    // or encode.
    let helpers = (plan.jobs + 1) / 2
    let loaded = BoundedQueue<FilePipeline.Loaded>(capacity: plan.jobs + 1, producers: helpers)
    let parsed = BoundedQueue<FilePipeline.Parsed>(capacity: helpers, producers: plan.jobs)
    // Readers and workers report, too, and outlive no writer.
    let outcomes = BoundedQueue<Outcome>(capacity: 1024, producers: helpers)
    let onlyFolder = folders.count == 1 ? folders.first : nil
    let shared = Shared(
      files: files, onlyFolder: pipeline.options.outputRoot ?? onlyFolder,
      cancellation: cancellation, loaded: loaded, parsed: parsed, outcomes: outcomes)
    var threads: [WorkerThread] = []
    for _ in 0..<helpers {
      threads.append(WorkerThread { [pipeline] in shared.readFiles(pipeline) })
      threads.append(WorkerThread { [pipeline] in shared.writeFiles(pipeline) })
    }
    for _ in 0..<plan.jobs {
      threads.append(
        WorkerThread { [pipeline, makeSession] in shared.parseFiles(pipeline, makeSession) })
    }
    var summary = BatchSummary()
    while let outcome = outcomes.pop() {
      switch outcome.result {
      case .parsed: summary.parsed += 1
      case .current: summary.current += 1
      case .failed: summary.failed += 1
      }
      report(outcome)
    }
    // A worker that outlived this call would race with the teardown of libtorch at exit.
    for thread in threads { thread.join() }
    summary.failure = shared.failure.withLock { $0 }
    summary.remaining = files.count - summary.parsed - summary.current - summary.failed
    summary.wallSeconds = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    summary.peakMemory = Self.peakMemory()
    return summary
  }

  /// `VmHWM`: unlike `ru_maxrss` it does not count what a large parent had before `exec`.
  private static func peakMemory() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}

/// What the threads of one run share.
private final class Shared: Sendable {
  let files: [PlannedFile]
  /// Where all outputs go; nil if they go to several folders.
  let onlyFolder: String?
  let cancellation: Cancellation
  let loaded: BoundedQueue<FilePipeline.Loaded>
  let parsed: BoundedQueue<FilePipeline.Parsed>
  let outcomes: BoundedQueue<Outcome>
  let next = Atomic<Int>(0)
  let failure = Mutex<RunFailure?>(nil)

  init(
    files: [PlannedFile], onlyFolder: String?, cancellation: Cancellation,
    loaded: BoundedQueue<FilePipeline.Loaded>, parsed: BoundedQueue<FilePipeline.Parsed>,
    outcomes: BoundedQueue<Outcome>
  ) {
    self.files = files
    self.onlyFolder = onlyFolder
    self.cancellation = cancellation
    self.loaded = loaded
    self.parsed = parsed
    self.outcomes = outcomes
  }

  func readFiles(_ pipeline: FilePipeline) {
    let preprocessor = pipeline.makePreprocessor()
    while !cancellation.isCancelled {
      let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
      guard index < files.count else { break }
      switch pipeline.load(files[index], preprocessor: preprocessor) {
      case .loaded(let image): loaded.push(image)
      case .done(let outcome): outcomes.push(outcome)
      }
    }
    loaded.finish()
  }

  func parseFiles(_ pipeline: FilePipeline, _ makeSession: Batch.SessionFactory) {
    defer { parsed.finish() }
    let preprocessor = pipeline.makePreprocessor()
    let postprocessor = Postprocessor(contract: pipeline.contract)
    // Made for the first image: a run in which all is current loads no network.
    var session: (any NetworkSession)?
    while let image = loaded.pop() {
      // What was only read ahead has not been begun.
      if cancellation.isCancelled { continue }
      if session == nil {
        do throws(RunFailure) {
          // Now rather than after the first inference; not before, as where all is current nothing is
          // written.
          if let onlyFolder { try OutputPlan.checkWritable(onlyFolder) }
          session = try makeSession()
        } catch {
          failure.withLock { $0 = error }
          cancellation.cancel()
        }
      }
      guard let session else { continue }
      do throws(FileFailure) {
        parsed.push(
          try pipeline.parse(
            image, preprocessor: preprocessor, session: session, postprocessor: postprocessor))
      } catch {
        outcomes.push(
          Outcome(
            input: image.file.input, outputs: image.file.outputs, result: .failed(error),
            seconds: image.times, warnings: image.warnings))
      }
    }
  }

  func writeFiles(_ pipeline: FilePipeline) {
    while let result = parsed.pop() {
      outcomes.push(pipeline.write(result))
    }
    outcomes.finish()
  }
}
