import Logging
import M2FPBatch
import M2FPCore
import SystemPackage

/// Says at the end of a run where its results are.
final class PlaceReporter: Reporter {
  private let out: FilePath?
  private let logger: Logger
  private var hasResults = false

  /// - Parameters:
  ///   - out: The folder that they are under; nil for beside the photos.
  ///   - logger: Who says it.
  init(out: FilePath?, logger: Logger) {
    self.out = out
    self.logger = logger
  }

  func add(_ outcome: Outcome) {
    if case .failed = outcome.result { return }
    hasResults = true
  }

  func finish(_ summary: BatchSummary) {
    guard hasResults else { return }
    logger.info("the results are \(out.map { "in \($0)" } ?? "beside the photos")")
  }
}
