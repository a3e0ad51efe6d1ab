import ArgumentParser
import Foundation
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPCommands

struct RunMetricsTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func value(_ name: String) throws -> String? {
    try folder.text("night.prom").split(separator: "\n").first { $0.hasPrefix(name) }?
      .split(separator: " ").last.map(String.init)
  }

  @Test func theLastSuccessSurvivesAFailedRun() throws {
    try RunMetrics(folder.filePath("night.prom")).write(
      exitCode: 0, now: Date(timeIntervalSince1970: 1000))
    try RunMetrics(folder.filePath("night.prom")).write(
      exitCode: 3, now: Date(timeIntervalSince1970: 2000))
    #expect(try value("m2fp_last_success_timestamp_seconds{") == "1000")
    #expect(try value("m2fp_last_run_timestamp_seconds{") == "2000")
    #expect(try value("m2fp_last_run_exit_code{") == "3")
    try RunMetrics(folder.filePath("night.prom")).write(
      exitCode: 0, now: Date(timeIntervalSince1970: 3000))
    #expect(try value("m2fp_last_success_timestamp_seconds{") == "3000")
    #expect(folder.files() == ["night.prom"])
  }

  @Test func anyEndIsRecorded() throws {
    let metrics = try RunMetrics(folder.filePath("night.prom"))
    let logger = try MessageOptions.parse([]).logger
    #expect(throws: ExitCode.self) { try metrics.record(logger) { throw ExitCode(130) } }
    #expect(try value("m2fp_last_run_exit_code{") == "130")
    #expect(throws: ValidationError.self) {
      try metrics.record(logger) { throw ValidationError("x") }
    }
    #expect(try value("m2fp_last_run_exit_code{") == "64")
    #expect(try value("m2fp_last_success_timestamp_seconds{") == "0")
  }

  @Test func aHistogramIsCumulative() {
    var histogram = Histogram()
    for time in [0.0005, 0.001, 0.02, 100] { histogram.add(time) }
    var text = PrometheusText(labels: [])
    text.histograms("x_seconds", "Help.", [([("stage", "read")], histogram)])
    #expect(text.text.contains("# TYPE x_seconds histogram\n"))
    #expect(text.text.contains("x_seconds_bucket{stage=\"read\",le=\"0.001\"} 2\n"))
    #expect(text.text.contains("x_seconds_bucket{stage=\"read\",le=\"60\"} 3\n"))
    #expect(text.text.contains("x_seconds_bucket{stage=\"read\",le=\"+Inf\"} 4\n"))
    #expect(text.text.contains("x_seconds_count{stage=\"read\"} 4\n"))
  }

  @Test func labelValuesAreEscaped() {
    #expect(PrometheusText.escaped("a\\b\"c\nd") == "a\\\\b\\\"c\\nd")
    // A mark that joins what it follows.
    #expect(PrometheusText.escaped("a\"\u{301}b\n\u{200D}") == "a\\\"\u{301}b\\n\u{200D}")
    #expect(PrometheusText.number(3) == "3" && PrometheusText.number(0.25) == "0.25")
  }
}
