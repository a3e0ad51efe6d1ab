import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults

extension RunFailure.Kind {
  /// The exit code of a process that fails so; the README's table lists them all.
  var exitCode: Int32 {
    switch self {
    case .internal: 1
    case .usage: 64
    case .modelContract: 65
    case .noInput: 66
    case .modelMissing: 69
    case .libraryMissing: 72
    case .outputNotWritable: 73
    case .temporary: 75
    }
  }
}

/// The exit codes of a run that got as far as to parse.
enum ExitStatus {
  static let someFailed: Int32 = 3
  static let someDiffer: Int32 = 4
  static let outOfTime = RunFailure.Kind.temporary.exitCode

  /// - Parameters:
  ///   - summary: What became of the run.
  ///   - signal: The signal that interrupted it, if one did.
  /// - Returns: 0 if all is done and well.
  static func code(_ summary: BatchSummary, signal: Int32?) -> Int32 {
    if case .failure(let failure) = summary.stop { return failure.kind.exitCode }
    if let signal { return 128 + signal }
    if summary.stop == .timeLimit && summary.remaining > 0 { return outOfTime }
    return summary.failed > 0 ? someFailed : 0
  }

  /// The exit code where two apply: the first, unless it says that the command did all it should and
  /// only tells what came of it. A later run comes to those results again; that an export is missing
  /// nothing else would say.
  static func code(_ first: Int32, then second: Int32) -> Int32 {
    [0, someFailed, someDiffer].contains(first) && second != 0 ? second : first
  }

  /// What to say about a run that ended early; nil if it did not, or if that was said already.
  static func message(_ summary: BatchSummary) -> String? {
    switch summary.stop {
    case .failure(let failure): failure.text
    case .timeLimit where summary.remaining > 0:
      "the time limit is up; \(summary.remaining) files are left for the next run."
    case .errorLimit where summary.remaining > 0:
      "stopped after \(summary.failed) failed; \(summary.remaining) files are left."
    default: nil
    }
  }
}
