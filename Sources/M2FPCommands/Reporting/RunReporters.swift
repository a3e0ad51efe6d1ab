import ArgumentParser
import Logging
import M2FPBatch
import M2FPCore
import SystemPackage

/// All that is told of one run, while it goes on and when it is over.
struct RunReporters {
  var list: [any Reporter]
  let logger: Logger

  func add(_ outcome: Outcome) {
    for reporter in list { reporter.add(outcome) }
  }

  func leftOut(_ link: FilePath) {
    for reporter in list { reporter.leftOut(link) }
  }

  /// Finishes the reports.
  ///
  /// - Parameters:
  ///   - summary: What became of the run.
  ///   - signal: The signal that interrupted it, if one did.
  ///   - cacheProblem: What went wrong while results were cached.
  /// - Throws: `ExitCode` where not all is done and well.
  func finish(
    _ summary: BatchSummary, signal: Int32?, cacheProblem: FileFailure? = nil
  ) throws {
    var unwritten: [RunFailure] = []
    for reporter in list {
      do throws(RunFailure) {
        try reporter.finish(summary)
      } catch {
        unwritten.append(error)
      }
    }
    if let cacheProblem { logger.warning("the cache was not filled: \(cacheProblem.message)") }
    if let message = ExitStatus.message(summary) { logger.error("\(message)") }
    for failure in unwritten { logger.error("\(failure.text)") }
    let code = unwritten.reduce(ExitStatus.code(summary, signal: signal)) {
      ExitStatus.code($0, then: $1.kind.exitCode)
    }
    if code != 0 { throw ExitCode(code) }
  }
}
