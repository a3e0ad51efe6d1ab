import Logging
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// The run as log messages with metadata: for `--log-format json`, in place of the progress bar.
final class LogReporter: Reporter {
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  func add(_ outcome: Outcome) {
    let file: Logger.Metadata = ["file": "\(outcome.input.path)"]
    for warning in outcome.warnings { logger.warning("\(warning)", metadata: file) }
    switch outcome.result {
    case .failed(let failure):
      let cause: Logger.Metadata = [
        "stage": "\(failure.stage.rawValue)", "code": "\(failure.code.rawValue)",
      ]
      logger.error("\(failure.text)", metadata: file.merging(cause) { $1 })
    case .parsed:
      logger.info("parsed", metadata: file)
    case .cached:
      logger.info("cached", metadata: file)
    case .rendered:
      logger.info("rendered", metadata: file)
    case .edited:
      logger.notice("edited by hand, left so", metadata: file)
    case .current:
      logger.debug("current", metadata: file)
    case .planned(let change):
      let plan: Logger.Metadata = [
        "action": "\(change.action.rawValue)", "reason": "\(change.reason.name)",
        "options": "\(change.reason.options.joined(separator: ","))",
      ]
      logger.info("planned", metadata: file.merging(plan) { $1 })
    }
    for path in outcome.removed {
      logger.info(
        "removed, out of date",
        metadata: file.merging(["output": "\(outcome.outputs.folder.appending(path.components))"]) {
          $1
        })
    }
  }

  func leftOut(_ link: FilePath) {
    logger.warning("\(Self.leftOutReason)", metadata: ["file": "\(link)"])
  }

  func finish(_ summary: BatchSummary) {
    logger.info(
      "finished",
      metadata: [
        "parsed": "\(summary.parsed)", "cached": "\(summary.cached)",
        "rendered": "\(summary.rendered)", "edited": "\(summary.edited)",
        "removed": "\(summary.removed)",
        "current": "\(summary.current)", "planned": "\(summary.planned)",
        "failed": "\(summary.failed)", "left_out": "\(summary.leftOut.total)",
        "left_out_by_kind": "\(summary.leftOut.text())",
        "remaining": "\(summary.remaining)",
        "seconds": "\(summary.wallSeconds)", "peak_memory": "\(summary.peakMemory)",
      ])
  }
}

/// `--log-level debug`: what the process holds after each file.
final class MemoryReporter: Reporter {
  private let logger: Logger

  init(logger: Logger) {
    self.logger = logger
  }

  func add(_ outcome: Outcome) {
    logger.debug(
      "\(outcome.input.path): \(ByteCount(ProcessMemory.resident())) resident",
      metadata: ["file": "\(outcome.input.path)", "resident": "\(ProcessMemory.resident())"])
  }

  func finish(_ summary: BatchSummary) {}
}
