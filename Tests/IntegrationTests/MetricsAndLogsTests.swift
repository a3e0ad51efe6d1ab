import Foundation
import TestSupport
import Testing

/// What a run without anyone watching leaves behind and keeps to: metrics, logs, memory.
struct MetricsAndLogsTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for number in 0..<3 { try addPhoto(number: number, width: 120, height: 90) }
  }

  private func value(_ name: String, in file: String) throws -> Double? {
    try folder.text(file).split(separator: "\n")
      .first { $0.hasPrefix(name + "{") }?.split(separator: " ").last.flatMap { Double($0) }
  }

  /// Prometheus's own checker.
  private func check(_ file: String) async throws {
    let promtool = try await ChildProcess.run(
      "promtool", ["check", "metrics"], input: folder.read(file))
    #expect(promtool.code == 0, "\(promtool.error)")
    #expect(promtool.error.isEmpty, "\(promtool.error)")
  }

  @Test func metricsPassPromtoolAndAFailedRunKeepsTheLastSuccess() async throws {
    let good = try await run(
      "parse", "in", "--out", "out", "--model", Self.model, "--metrics", "a \"task\".prom")
    #expect(good.code == 0, "\(good.error)")
    try await check("a \"task\".prom")
    let success = try value("m2fp_last_success_timestamp_seconds", in: "a \"task\".prom")
    #expect(try #require(success) > 1.7e9)
    #expect(try value("m2fp_last_run_files", in: "a \"task\".prom") == 3)

    try folder.write("in/bad.png", "no photo".utf8)
    for arguments in [["--model", Self.model], ["--model", "no-such-model"]] {
      let result = try await run(
        ["parse", "in", "--out", "out", "--metrics", "a \"task\".prom"] + arguments)
      #expect(result.code == (arguments[1] == Self.model ? 3 : 69))
      try await check("a \"task\".prom")
      #expect(
        try value("m2fp_last_run_exit_code", in: "a \"task\".prom") == result.code.map(Double.init))
      #expect(
        try value("m2fp_last_success_timestamp_seconds", in: "a \"task\".prom") == success)
    }
    #expect(folder.files().allSatisfy { !$0.hasSuffix(".tmp") })
  }

  @Test func everyLineOfTheJSONLogIsJSON() async throws {
    try folder.write("in/bad.png", "no photo".utf8)
    let result = try await run(
      "parse", "in", "--out", "out", "--model", Self.model, "--log-format", "json", "--log-level",
      "debug")
    let lines = result.error.split(separator: "\n").map {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) ?? [:]
    }
    for line in lines {
      #expect(line["level"] is String && line["message"] is String && line["time"] is String)
    }
    let failed = try #require(lines.first { $0["level"] as? String == "error" })
    #expect(failed["file"] as? String == "in/bad.png" && failed["stage"] as? String == "decode")
    #expect(lines.count { ($0["resident"] as? String).flatMap { Int($0) } ?? 0 > 1 << 20 } == 4)

    let missing = try await run(
      "parse", "in", "--model", "no-such-model", "--log-format", "json")
    #expect(missing.code == 69)
    #expect(missing.error.hasPrefix("{\"level\":\"error\",\"message\":\"no model named"))
  }

  @Test func aJSONLineCarriesTheStageTimes() async throws {
    let result = try await run("parse", "in", "--out", "out", "--model", Self.model, "--json")
    let parsed = result.lines.filter { $0.status == "parsed" }
    #expect(parsed.count == 3)
    for line in parsed {
      let stages = Set((line.seconds ?? [:]).keys)
      #expect(stages.isSuperset(of: ["decode", "resize", "infer", "merge", "encode", "write"]))
    }
  }

  @Test func aLimitThatNothingFitsIsRefusedWithTheFigure() async throws {
    func parse(_ options: String...) async throws -> ChildProcess.Finished {
      try await run(["parse", "in", "--out", "out", "--model", Self.shippedModel] + options)
    }
    let refused = try await parse("--memory-limit", "20M")
    #expect(refused.code == 75)
    let figure = try #require(
      refused.error.firstMatch(of: /1 worker needs about ([0-9]+) MiB/).flatMap { Int($0.1) })
    #expect(refused.error.contains("the limit is 20 MiB: raise --memory-limit"))
    #expect(folder.files("out").isEmpty)

    let tooMany = try await parse("--memory-limit", "\(figure)M", "--jobs", "3")
    #expect(tooMany.code == 75 && tooMany.error.contains("use --jobs 1"), "\(tooMany.error)")
    #expect(folder.files("out").isEmpty)

    // The figure is enough for one, however many there could be.
    let fits = try await parse("--memory-limit", "\(figure)M", "--log-level", "debug", "--json")
    #expect(fits.code == 0, "\(fits.error)")
    #expect(fits.error.contains("1 jobs of"), "\(fits.error)")
    let peak = try #require(fits.summary).peakMemory
    #expect(peak <= figure << 20)
  }
}
