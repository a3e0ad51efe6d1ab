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

  init(_ file: PlannedFile, status: UpToDateStatus) {
    self.file = file
    self.status = status
  }

  /// Nanoseconds.
  var nanoseconds: UInt64 { spent.load(ordering: .relaxed) }

  func add(_ nanoseconds: UInt64) {
    spent.wrappingAdd(nanoseconds, ordering: .relaxed)
  }

  /// What became of it.
  func outcome(
    _ result: Outcome.Result, _ times: StageTimes = StageTimes(), warnings: [String] = [],
    removed: [FilePath] = []
  ) -> Outcome {
    Outcome(
      input: file.input, outputs: file.outputs, result: result, seconds: times, warnings: warnings,
      removed: removed)
  }
}
