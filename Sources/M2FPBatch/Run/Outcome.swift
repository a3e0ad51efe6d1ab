import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults

/// What became of one input.
public struct Outcome: Sendable {
  public enum Result: Sendable {
    case parsed(Sidecar)
    /// The cache had the result of another input with the same bytes.
    case cached(Sidecar)
    /// The outputs were already what this run would have written.
    case current
    /// A run would parse the file, for this reason.
    case planned(RebuildReason)
    case failed(FileFailure)
  }

  public let input: Input
  public let outputs: OutputNames
  public let result: Result
  public let seconds: StageTimes
  /// What the decoder had to say about a file that it could read all the same.
  public let warnings: [String]
}

/// A run's totals.
public struct BatchSummary: Sendable, Equatable {
  public var parsed = 0
  /// Inputs whose outputs came out of the cache.
  public var cached = 0
  public var current = 0
  /// Inputs that a run would parse.
  public var planned = 0
  public var failed = 0
  /// Symbolic links that were not followed, and so are none of the inputs.
  public var leftOut = 0
  /// Inputs that were left when the run was cancelled.
  public var remaining = 0
  public var wallSeconds = 0.0
  /// Why the run was stopped, if it was.
  public var stop: Cancellation.Reason?
  /// The process's peak resident memory in bytes.
  public var peakMemory = 0

  public init() {}
}
