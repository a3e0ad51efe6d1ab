import ArgumentParser
import FoundationEssentials
import Logging
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// `--metrics`: how the last run went, for Prometheus.
///
/// The file is written when the run ends, however it ends, and replaced whole; the time of the last
/// success is carried over from the file that is replaced.
final class RunMetrics: Reporter {
  private let path: FilePath
  private var summary = BatchSummary()
  private var seconds: [Stage: Histogram] = [:]
  private var failures: [Stage: Int] = [:]

  /// - Throws: ``RunFailure`` when nothing can be written at `path`: better now than at the end.
  init(_ path: FilePath) throws(RunFailure) {
    self.path = path
    do {
      try AtomicFiles.checkWritable(path.folder)
    } catch {
      throw Self.failure(path)
    }
  }

  func add(_ outcome: Outcome) {
    for (stage, time) in outcome.seconds.seconds { seconds[stage, default: Histogram()].add(time) }
    if case .failed(let failure) = outcome.result { failures[failure.stage, default: 0] += 1 }
  }

  func finish(_ summary: BatchSummary) {
    self.summary = summary
  }

  /// Runs the body of a command, and writes the file with what came of it.
  ///
  /// - Throws: What `body` throws; `ExitCode` when the file cannot be written and that counts more.
  func record(_ logger: Logger, _ body: () throws -> Void) throws {
    let result = Result { try body() }
    var code: Int32 = 0
    if case .failure(let error) = result { code = ParseCommand.exitCode(for: error).rawValue }
    do throws(RunFailure) {
      try write(exitCode: code)
    } catch {
      logger.error("\(error.text)")
      let both = ExitStatus.code(code, then: error.kind.exitCode)
      if both != code { throw ExitCode(both) }
    }
    try result.get()
  }

  /// Replaces the file.
  func write(exitCode: Int32, now: Date = Date()) throws(RunFailure) {
    let text = text(
      exitCode: exitCode, now: now.timeIntervalSince1970.rounded(),
      lastSuccess: Self.lastSuccess(try? FileReader.read(path, limit: 1 << 24).bytes))
    do {
      try AtomicFile.write(Data(text.utf8), to: path)
    } catch {
      throw Self.failure(path)
    }
  }

  private static let success = "m2fp_last_success_timestamp_seconds"

  /// The time of the last success in an earlier file; 0 if there was none.
  static func lastSuccess(_ bytes: [UInt8]?) -> Double {
    let line = bytes.map { String(decoding: $0, as: UTF8.self) }?.split(separator: "\n").first {
      $0.hasPrefix(success + "{")
    }
    return line?.split(separator: " ").last.flatMap { Double($0) } ?? 0
  }

  func text(exitCode: Int32, now: Double, lastSuccess: Double) -> String {
    // Two files in one folder must not hold the same series: each is labelled with its name.
    let task = path.stem ?? ""
    var text = PrometheusText(labels: [("task", task)])
    text.gauge("m2fp_build_info", "The version that ran.", [([("version", Version.current)], 1)])
    text.gauge("m2fp_last_run_timestamp_seconds", "When the last run ended.", now)
    text.gauge(
      Self.success, "When the last run ended that exited with 0; 0 if none has.",
      exitCode == 0 ? now : lastSuccess)
    text.gauge(
      "m2fp_last_run_exit_code", "The exit code of the last run; the README lists them.",
      Double(exitCode))
    text.gauge(
      "m2fp_last_run_duration_seconds", "How long the last run took.", summary.wallSeconds)
    text.gauge(
      "m2fp_last_run_files", "The files of the last run by result.",
      [
        ("parsed", summary.parsed), ("cached", summary.cached), ("rendered", summary.rendered),
        ("edited", summary.edited), ("current", summary.current),
        ("failed", summary.failed), ("remaining", summary.remaining),
      ].map { ([("result", $0.0)], Double($0.1)) })
    text.gauge(
      "m2fp_last_run_failures", "The files of the last run that failed, by stage.",
      Stage.allCases.map { ([("stage", $0.rawValue)], Double(failures[$0] ?? 0)) })
    text.gauge(
      "m2fp_last_run_images_per_second", "Images parsed a second of the last run.",
      summary.wallSeconds > 0 ? Double(summary.parsed) / summary.wallSeconds : 0)
    text.gauge(
      "m2fp_last_run_peak_memory_bytes", "The most that was resident in the last run.",
      Double(ProcessMemory.peak()))
    text.histograms(
      "m2fp_last_run_stage_seconds", "Wall-clock time that images of the last run spent.",
      Stage.allCases.map { ([("stage", $0.rawValue)], seconds[$0] ?? Histogram()) })
    return text.text
  }

  private static func failure(_ path: FilePath) -> RunFailure {
    RunFailure(
      .outputNotWritable,
      "--metrics: \(path) cannot be written: make its folder writable, or name another file.")
  }
}
