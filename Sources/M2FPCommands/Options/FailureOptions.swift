import ArgumentParser
import M2FPBatch
import M2FPFiles
import M2FPResults
import SystemPackage

/// What a run does when something goes wrong or takes too long.
struct FailureOptions: ParsableArguments {
  enum OnFailure: EnumerableFlag {
    case keepGoing, failFast

    static func help(for value: OnFailure) -> ArgumentHelp? {
      switch value {
      case .keepGoing: "Go on after files that fail."
      case .failFast: "Stop at the first file that fails; the files in hand are finished."
      }
    }
  }

  @Flag(exclusivity: .exclusive)
  var onFailure = OnFailure.keepGoing

  @Option(
    help: ArgumentHelp("Stop when this many files have failed. Default: never.", valueName: "n"))
  var maxErrors: Int?

  @Option(
    help: ArgumentHelp(
      "Write the files that failed to this list, which --files-from takes.", valueName: "file"))
  var failedTo: FilePath?

  @Option(
    help: ArgumentHelp(
      """
      Give up on a file that takes longer than this: 90, 90s, 5m. Time in queues does not count. \
      Default: never.
      """, valueName: "time"))
  var timeout: TimeSpan?

  @Option(
    help: ArgumentHelp(
      """
      Begin no file after this time (90s, 30m, 8h), finish those in hand, and exit with 75 if any \
      is left. Default: never.
      """, valueName: "time"))
  var timeLimit: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "When another run writes in the same folder: wait for it, fail with 75, or do not look.",
      valueName: "wait|fail|off"))
  var lock = OutputLock.Mode.fail

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    Set(
      [(onFailure == .failFast, "fail-fast"), (maxErrors != nil, "max-errors")].filter(\.0)
        .map(\.1))
  }

  func validate() throws {
    if let maxErrors, maxErrors < 1 {
      throw ValidationError("--max-errors is at least 1; to go on whatever fails, leave it out.")
    }
  }

  /// After how many failed files to stop; nil for never.
  var errorLimit: Int? { onFailure == .failFast ? 1 : maxErrors }
}

extension OutputLock.Mode: ExpressibleByArgument {}
