import ArgumentParser
import Glibc
import Logging
import SystemPackage

/// What a run says, to whom, and how.
struct MessageOptions: ParsableArguments {
  @Flag(help: "Print one JSON object for each file and one summary on standard output.")
  var json = false

  @Flag(name: .shortAndLong, help: "Print nothing but failures.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "Say also what was current and what memory is resident.")
  var verbose = false

  @Option(
    help: ArgumentHelp(
      """
      trace, debug, info, notice, warning or error. Default: info, with --quiet error, with \
      --verbose debug.
      """, valueName: "level"))
  var logLevel: Logger.Level?

  @Option(
    help: ArgumentHelp(
      "Messages on standard error for people, or as a JSON object a line.", valueName: "text|json"))
  var logFormat = LogFormat.text

  @Option(
    help: ArgumentHelp(
      """
      When the run ends, however it does, replace this Prometheus textfile (for node_exporter). \
      Default: none.
      """, valueName: "file.prom"))
  var metrics: FilePath?

  func validate() throws {
    if quiet && verbose {
      throw ValidationError("--quiet and --verbose contradict each other: leave out one.")
    }
    if let metrics, metrics.extension != "prom" {
      throw ValidationError("--metrics takes a file named *.prom: node_exporter reads no other.")
    }
  }

  var logger: Logger { logFormat.logger(logLevel ?? (quiet ? .error : verbose ? .debug : .info)) }

  /// Runs the body of a command, and writes the metrics of it where they are asked for.
  ///
  /// - Parameters:
  ///   - isDryRun: Whether nothing is to be written.
  ///   - body: The command; it is given what collects the metrics.
  /// - Throws: `ExitCode` where not all is done and well.
  func telling(ofDryRun isDryRun: Bool, _ body: (Logger, RunMetrics?) throws -> Void) throws {
    let logger = logger
    // What is begun is finished, whether or not someone still reads what is printed.
    signal(SIGPIPE, SIG_IGN)
    try Console.exiting(logger) {
      guard let metrics, !isDryRun else { return try body(logger, nil) }
      let collected = try RunMetrics(metrics)
      try collected.record(logger) {
        try Console.exiting(logger) { try body(logger, collected) }
      }
    }
  }

  /// Who tells how a run over `total` files goes; over so many that nobody knows, where that is nil.
  func reporters(total: Int?, logger: Logger) -> [any Reporter] {
    var reporters: [any Reporter] = [
      logFormat == .json
        ? LogReporter(logger: logger)
        : ProgressReporter(total: total, quiet: quiet, logger: logger)
    ]
    if json { reporters.append(JSONReporter()) }
    if logger.logLevel <= .debug { reporters.append(MemoryReporter(logger: logger)) }
    return reporters
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
