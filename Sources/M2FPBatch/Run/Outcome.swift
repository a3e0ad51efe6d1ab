import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// What became of one input.
public struct Outcome: Sendable {
  public enum Result: Sendable {
    case parsed(Sidecar)
    /// The cache had the result of another input with the same bytes.
    case cached(Sidecar)
    /// The outputs were made of what an earlier run had found.
    case rendered(Sidecar)
    /// The outputs show a class map that a person has corrected, and that was left as it is.
    case edited(Sidecar)
    /// The outputs were already what this run would have written.
    case current
    /// What a run would do.
    case planned(PlannedChange)
    case failed(FileFailure)
  }

  public let input: Input
  public let outputs: OutputNames
  public let result: Result
  public let seconds: StageTimes
  /// What the decoder had to say about a file that it could read all the same.
  public let warnings: [String]
  /// Outputs that no longer showed the result, and are gone: paths below the folder of the outputs.
  public let removed: [FilePath]
}

/// What a run would do to the outputs of one file.
public struct PlannedChange: Sendable, Equatable {
  public enum Action: String, Sendable, CaseIterable {
    case parse, render
  }

  public let action: Action
  public let reason: RebuildReason
  /// Paths below the folder of the outputs, here and in the next two. Which classes get masks only
  /// the network tells: their folder stands for them.
  public let written: [FilePath]
  public let replaced: [FilePath]
  /// Where the network finds what was found before, those that were not asked for stay all the same.
  public let removed: [FilePath]
}

/// A run's totals.
public struct BatchSummary: Sendable, Equatable {
  public var parsed = 0
  /// Inputs whose outputs came out of the cache.
  public var cached = 0
  public var current = 0
  /// Inputs whose outputs were made of what an earlier run had found.
  public var rendered = 0
  /// Inputs whose class map a person has corrected.
  public var edited = 0
  /// Inputs that a run would parse or render.
  public var planned = 0
  public var failed = 0
  /// What lay in the folders and is none of the inputs.
  public var leftOut = LeftOutCounts()
  /// Inputs that were left when the run was cancelled.
  public var remaining = 0
  /// Outputs that no longer showed the result, and are gone.
  public var removed = 0
  public var wallSeconds = 0.0
  /// Why the run was stopped, if it was.
  public var stop: Cancellation.Reason?
  /// The process's peak resident memory in bytes.
  public var peakMemory = 0

  public init() {}
}
