import Foundation
import M2FPCore

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
    let onlyFolder = folders.count == 1 ? folders.first : nil
    var crew = Crew(
      files: files, onlyFolder: pipeline.options.outputRoot ?? onlyFolder, pipeline: pipeline,
      jobs: plan.jobs, cancellation: cancellation, makeSession: makeSession)
    var summary = BatchSummary()
    while let outcome = crew.next() {
      switch outcome.result {
      case .parsed: summary.parsed += 1
      case .current: summary.current += 1
      case .failed: summary.failed += 1
      }
      report(outcome)
    }
    summary.hasAbandonedThreads = crew.join()
    summary.remaining = files.count - summary.parsed - summary.current - summary.failed
    summary.stop = cancellation.reason
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
