import M2FPCore
import M2FPResults
import Synchronization
import SystemPackage

/// One file's part of a run, with the time that it has taken so far.
///
/// Waiting between two threads does not count: it is other files' time.
final class FileJob: Sendable {
  let file: PlannedFile
  /// What its outputs were worth when that was checked.
  let status: UpToDateStatus
  private let spent = Atomic<UInt64>(0)
  /// Held until there is an outcome.
  private let memory = Locked<WeightedSemaphore.Share?>(nil)

  init(_ file: PlannedFile, status: UpToDateStatus) {
    self.file = file
    self.status = status
  }

  /// Nanoseconds.
  var nanoseconds: UInt64 { spent.load(ordering: .relaxed) }

  func add(_ nanoseconds: UInt64) {
    spent.wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  /// Holds a share of the run's memory, in place of what it held, until it is known what became of the file.
  func hold(_ share: WeightedSemaphore.Share?) { memory.withLock { $0 = share } }

  /// What became of it.
  func outcome(
    _ result: Outcome.Result, _ times: StageTimes = StageTimes(), warnings: [String] = [],
    removed: [FilePath] = []
  ) -> Outcome {
    hold(nil)
    return Outcome(
      input: file.input, outputs: file.outputs, result: result, seconds: times, warnings: warnings,
      removed: removed)
  }
}
