import Logging
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults

/// Keeps the list of `--failed-to`.
final class FailureListReporter: Reporter {
  private var list: FailureList
  private let logger: Logger

  init(_ list: FailureList, logger: Logger) {
    self.list = list
    self.logger = logger
  }

  func add(_ outcome: Outcome) {
    if case .failed = outcome.result { list.add(outcome.input) }
  }

  func finish(_ summary: BatchSummary) throws(RunFailure) {
    for path in try list.write() {
      logger.warning(
        "\(path.debugDescription) holds a line feed and is not in the list: add -0 to end paths with a zero byte"
      )
    }
  }
}
