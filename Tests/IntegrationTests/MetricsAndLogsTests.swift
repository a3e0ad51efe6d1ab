import Foundation
import Testing

/// What a run without anyone watching leaves behind and keeps to: metrics, logs, memory.
struct MetricsAndLogsTests {
  private let trial: Trial

  init() throws {
    trial = try Trial()
    for number in 0..<3 {
      try trial.write(
        "in/" + Trial.name(number), Trial.photo(width: 120, height: 90, number: number))
    }
  }

  private func value(_ name: String, in file: String) throws -> Double? {
    try String(contentsOfFile: trial.path(file), encoding: .utf8).split(separator: "\n")
      .first { $0.hasPrefix(name + "{") }?.split(separator: " ").last.flatMap { Double($0) }
  }

  /// Prometheus's own checker.
  private func check(_ file: String) throws {
    let promtool = try Trial.Run(
      ["sh", "-c", "exec promtool check metrics <'\(trial.path(file))'"], in: trial.folder)
    promtool.wait()
    #expect(promtool.code == 0, "\(promtool.error)")
    #expect(promtool.error.isEmpty, "\(promtool.error)")
  }

  @Test func metricsPassPromtoolAndAFailedRunKeepsTheLastSuccess() throws {
    let good = try trial.run(
      "parse", "in", "--out", "out", "--model", Trial.model, "--metrics", "a \"task\".prom")
    #expect(good.code == 0, "\(good.error)")
    try check("a \"task\".prom")
    let success = try value("m2fp_last_success_timestamp_seconds", in: "a \"task\".prom")
    #expect(try #require(success) > 1.7e9)
    #expect(try value("m2fp_last_run_files", in: "a \"task\".prom") == 3)

    try trial.write("in/bad.png", "no photo".utf8)
    for arguments in [["--model", Trial.model], ["--model", "no-such-model"]] {
      let run = try Trial.Run(
        [Trial.binary.path, "parse", "in", "--out", "out", "--metrics", "a \"task\".prom"]
          + arguments, in: trial.folder)
      run.wait()
      #expect(run.code == (arguments[1] == Trial.model ? 3 : 69))
      try check("a \"task\".prom")
      #expect(
        try value("m2fp_last_run_exit_code", in: "a \"task\".prom") == run.code.map(Double.init))
      #expect(
        try value("m2fp_last_success_timestamp_seconds", in: "a \"task\".prom") == success)
    }
    #expect(trial.files(".", hidden: true).allSatisfy { !$0.hasSuffix(".tmp") })
  }

  @Test func everyLineOfTheJSONLogIsJSON() throws {
    try trial.write("in/bad.png", "no photo".utf8)
    let run = try trial.run(
      "parse", "in", "--out", "out", "--model", Trial.model, "--log-format", "json", "--log-level",
      "debug")
    let lines = run.error.split(separator: "\n").map {
      (try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]) ?? [:]
    }
    for line in lines {
      #expect(line["level"] is String && line["message"] is String && line["time"] is String)
    }
    let failed = try #require(lines.first { $0["level"] as? String == "error" })
    #expect(failed["file"] as? String == "in/bad.png" && failed["stage"] as? String == "decode")
    #expect(lines.count { ($0["resident"] as? String).flatMap { Int($0) } ?? 0 > 1 << 20 } == 4)

    let missing = try trial.run(
      "parse", "in", "--model", "no-such-model", "--log-format", "json")
    #expect(missing.code == 69)
    #expect(missing.error.hasPrefix("{\"level\":\"error\",\"message\":\"no model named"))
  }

  @Test func aJSONLineCarriesTheStageTimes() throws {
    let run = try trial.run("parse", "in", "--out", "out", "--model", Trial.model, "--json")
    let parsed = run.lines.filter { $0.status == "parsed" }
    #expect(parsed.count == 3)
    for line in parsed {
      let stages = Set((line.seconds ?? [:]).keys)
      #expect(stages.isSuperset(of: ["decode", "resize", "infer", "merge", "encode", "write"]))
    }
  }

  @Test func aLimitThatNothingFitsIsRefusedWithTheFigure() throws {
    func parse(_ options: String...) throws -> Trial.Run {
      try trial.run(["parse", "in", "--out", "out", "--model", Trial.shippedModel] + options)
    }
    let refused = try parse("--memory-limit", "20M")
    #expect(refused.code == 75)
    let figure = try #require(
      refused.error.firstMatch(of: /1 worker needs about ([0-9]+) MiB/).flatMap { Int($0.1) })
    #expect(refused.error.contains("the limit is 20 MiB: raise --memory-limit"))
    #expect(trial.files("out").isEmpty)

    let tooMany = try parse("--memory-limit", "\(figure)M", "--jobs", "3")
    #expect(tooMany.code == 75 && tooMany.error.contains("use --jobs 1"), "\(tooMany.error)")
    #expect(trial.files("out").isEmpty)

    // The figure is enough for one, however many there could be.
    let fits = try parse("--memory-limit", "\(figure)M", "--log-level", "debug", "--json")
    #expect(fits.code == 0, "\(fits.error)")
    #expect(fits.error.contains("; 1 jobs of"), "\(fits.error)")
    let peak = try #require(fits.lines.last?.summary).peakMemory
    #expect(peak <= figure << 20)
  }
}
