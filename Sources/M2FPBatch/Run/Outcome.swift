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

/// Wall-clock seconds spent in each stage.
public struct StageTimes: Sendable, Equatable {
  public private(set) var seconds: [Stage: Double] = [:]

  public init() {}

  /// Runs `body` and books its time on `stage`, also when it throws.
  mutating func measure<Value, Failure: Error>(
    _ stage: Stage, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let start = DispatchTime.now().uptimeNanoseconds
    defer { add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9, to: stage) }
    return try body()
  }

  mutating func add(_ time: Double, to stage: Stage) {
    seconds[stage, default: 0] += time
  }
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
  /// Inputs that were left when the run was cancelled.
  public var remaining = 0
  public var wallSeconds = 0.0
  /// Why the run was stopped, if it was.
  public var stop: Cancellation.Reason?
  /// The process's peak resident memory in bytes.
  public var peakMemory = 0

  public init() {}
}
