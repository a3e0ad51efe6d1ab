import Foundation
import Testing

/// What may happen to a run at night, done to the binary on purpose. `make chaos` does it at length:
/// `CHAOS_ROUNDS` kills, seeded by `TRIAL_SEED`.
@Suite(.serialized) struct ChaosTests {
  private let trial: Trial
  private static let photos = 24

  init() throws {
    trial = try Self.trial()
  }

  private static func trial() throws -> Trial {
    let trial = try Trial()
    for number in 0..<photos {
      try trial.write(
        "in/" + Trial.name(number),
        Trial.photo(width: 90 + number * 7, height: 70 + number * 5, number: number))
    }
    return trial
  }

  /// What an undisturbed run writes, and how long it takes.
  private static let undisturbed = Result {
    let place = try trial()
    let begin = Date()
    let run = try place.run("parse", "in", "--out", "out", "--model", Trial.model, "--quiet")
    try #require(run.code == 0, "\(run.error)")
    return (tree: place.tree("out"), seconds: Date().timeIntervalSince(begin))
  }

  private func reference() throws -> [String: Data] { try Self.undisturbed.get().tree }

  @Test func killedAtAnyMomentARunGoesOnWhereItWas() throws {
    let rounds = Trial.number("CHAOS_ROUNDS", default: 4)
    let seed = Trial.number("TRIAL_SEED", default: 1)
    var random = SeededGenerator(seed: seed)
    let inputs = trial.tree("in")
    let (reference, undisturbed) = try Self.undisturbed.get()

    var (kills, trees, looks, kept, redone, temporary) = (0, 0, 0, 0, 0, 0)
    var damages: [String] = []
    while kills < rounds {
      try? trial.remove("out")
      trees += 1
      while true {
        let before = trial.finished("out", damages: &damages)
        let run = try trial.start("parse", "in", "--out", "out", "--model", Trial.model, "--json")
        let isKilled = kills < rounds && disturb(run, undisturbed, &random, &looks, &damages)
        run.wait()

        // What was whole before is neither lost nor made again, and what was reported is there.
        let after = trial.finished("out", damages: &damages)
        for (stem, identity) in before {
          if after[stem] == nil { damages.append("\(stem) is lost") }
          if after[stem] == identity { kept += 1 } else { redone += 1 }
        }
        for line in run.lines {
          guard let file = line.file, let status = line.status else { continue }
          let stem = String(file.dropFirst("in/".count).dropLast(".png".count))
          if after[stem] == nil { damages.append("\(stem) is reported \(status) and not there") }
          if status == "failed" { damages.append("\(stem): \(line.message ?? "")") }
          if before[stem] != nil && status != "current" { damages.append("\(stem) is done again") }
        }
        if isKilled {
          kills += 1
          temporary += trial.files("out", hidden: true).count { $0.hasSuffix(".tmp") }
        } else {
          #expect(run.code == 0, "\(run.error)")
          break
        }
      }
      #expect(trial.tree("out") == reference, "the tree of an undisturbed run")
      #expect(
        trial.files("out", hidden: true).count == reference.count, "no temporary file is left")
      if !damages.isEmpty { break }
    }
    #expect(damages.isEmpty, "\(damages.prefix(5))")
    #expect(redone == 0)
    #expect(trial.tree("in") == inputs, "inputs are never modified")
    print(
      """
      chaos (seed \(seed)): \(kills) kills over \(trees) trees of \(Self.photos) photos; all trees \
      byte-identical to an undisturbed run's; \(looks) looks at files during runs and one at every \
      file after each kill: \(damages.count) half-written, lost or failed; \(kept) finished photos \
      found by a later run: \(redone) redone; \(temporary) temporary files left by kills, all \
      removed by the next run
      """)
  }

  /// Kills the run at a random moment, looking at its outputs until then.
  ///
  /// - Returns: Whether the kill came before the end.
  private func disturb(
    _ run: Trial.Run, _ undisturbed: Double, _ random: inout SeededGenerator, _ looks: inout Int,
    _ damages: inout [String]
  ) -> Bool {
    // Now and then early, before anything is parsed; else a little after some photo.
    let isEarly = Int.random(in: 0..<4, using: &random) == 0
    let end = Date(timeIntervalSinceNow: .random(in: 0...undisturbed / 2, using: &random))
    let lines = Int.random(in: 1..<Self.photos, using: &random)
    let extra = Double.random(in: 0...0.02, using: &random)
    while run.isRunning {
      if isEarly && Date() > end { break }
      if !isEarly && run.lines.count >= lines {
        Thread.sleep(forTimeInterval: extra)
        break
      }
      if let file = trial.files("out").randomElement(using: &random) {
        looks += 1
        if let damage = trial.damage(trial.path("out/" + file)) { damages.append(damage) }
      }
      Thread.sleep(forTimeInterval: 0.002)
    }
    run.kill()
    run.wait()
    return run.code == nil
  }

  @Test func aFullDiskLeavesWholeFilesAndTheNextRunGoesOn() throws {
    let reference = try reference()
    try inNamespace(
      """
      mkdir full && mount -t tmpfs -o size=96k tmpfs full
      "$M2FP" parse in --out full --model "$MODEL" --json >first.json 2>first.err
      echo $? >first.code
      cp -a full first
      mount -o remount,size=64m full
      "$M2FP" parse in --out full --model "$MODEL" --json >second.json 2>second.err
      echo $? >second.code
      cp -a full second
      """)
    #expect(text("first.code") == "73")
    #expect(text("first.err").contains("No space left on device"))
    var damages: [String] = []
    let whole = trial.finished("first", damages: &damages)
    #expect(damages.isEmpty, "\(damages.prefix(5))")
    #expect(trial.files("first", hidden: true).allSatisfy { !$0.hasSuffix(".tmp") })
    let failed = lines("first.json").filter { $0.status == "failed" }
    // The rest is left alone.
    #expect(!failed.isEmpty && failed.count + whole.count <= Self.photos)
    #expect(failed.allSatisfy { $0.stage == "write" && $0.code == "disk-full" })
    #expect(text("second.code") == "0")
    #expect(lines("second.json").count { $0.status == "current" } == whole.count)
    #expect(trial.tree("second") == reference)
    print(
      "chaos: a full disk: \(whole.count) photos whole, \(failed.count) failed as disk-full, "
        + "none half-written; with room the next run parsed just those")
  }

  @Test func aReadOnlyFolderIsSaidAtOnceOrFileByFile() throws {
    let reference = try reference()
    try inNamespace(
      """
      mkdir closed && mount -t tmpfs -o ro tmpfs closed
      "$M2FP" parse in --out closed --model "$MODEL" 2>root.err; echo $? >root.code
      mount --bind in in && mount -o remount,ro,bind in
      "$M2FP" parse in --out partly --model "$MODEL" 2>input.err; echo $? >input.code
      cp -a partly whole
      mount --bind partly/1 partly/1 && mount -o remount,ro,bind partly/1
      "$M2FP" parse in --out partly --force --model "$MODEL" --json >part.json 2>part.err
      echo $? >part.code
      """)
    #expect(text("root.code") == "73")
    #expect(text("root.err").contains("Read-only file system"))
    #expect(text("input.code") == "0", "the inputs' own folder need not be writable")
    #expect(trial.tree("whole") == reference)
    #expect(text("part.code") == "3")
    let failed = lines("part.json").filter { $0.status == "failed" }
    #expect(failed.count == Self.photos / 3)
    #expect(
      failed.allSatisfy { $0.code == "output-not-writable" && $0.file?.hasPrefix("in/1/") == true })
    #expect(trial.tree("partly") == reference, "what was there before is there still")
    print(
      "chaos: read-only: exit 73 for the root, \(failed.count) photos failed for one folder below, "
        + "the earlier outputs untouched, read-only inputs parsed")
  }

  @Test func aVanishingInputFailsAlone() throws {
    for number in 0..<8 {
      try trial.write("in/8/\(number).png", Trial.photo(width: 2000, height: 1500, number: number))
    }
    let last = ["9/a.png", "9/b.jpg"]
    for name in last {
      try trial.write("in/" + name, Trial.photo(width: 60, height: 60, number: 0))
    }
    let run = try trial.start(
      "parse", "in", "--out", "out", "--model", Trial.model, "--jobs", "1", "--json")
    while run.isRunning && run.lines.isEmpty { usleep(500) }
    // Found and planned, but far back in the queue.
    for name in last { try trial.remove("in/" + name) }
    run.wait()
    #expect(run.code == 3, "\(run.error)")
    let failed = run.lines.filter { $0.status == "failed" }
    #expect(failed.map(\.file) == last.map { "in/" + $0 })
    #expect(failed.allSatisfy { $0.stage == "read" && $0.code == "unreadable" })
    #expect(run.lines.count { $0.status == "parsed" } == Self.photos + 8)
  }

  @Test func aGrowingFileIsNotParsedUntilItIsComplete() throws {
    let photo = try Trial.photo(width: 400, height: 300, number: 100)
    let path = trial.path("in/growing.png")
    try trial.write("in/growing.png", photo.prefix(photo.count / 2))
    let run = try trial.start(
      "parse", "in", "--out", "out", "--model", Trial.model, "--jobs", "1", "--json")
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    while run.isRunning {
      file.write(Data([0, 0, 0]))
      usleep(300)
    }
    run.wait()
    #expect(run.code == 3)
    let failed = run.lines.filter { $0.status == "failed" }
    #expect(failed.map(\.file) == ["in/growing.png"])
    #expect(["read", "decode"].contains(failed.first?.stage))
    try trial.write("in/growing.png", photo)
    let next = try trial.run("parse", "in", "--out", "out", "--model", Trial.model, "--json")
    #expect(next.code == 0)
    #expect(next.lines.filter { $0.status == "parsed" }.map(\.file) == ["in/growing.png"])
  }

  @Test func twoRunsAtOnceAgree() throws {
    let reference = try reference()
    let runs = try (0..<2).map { _ in
      try trial.start(
        "parse", "in", "--out", "out", "--model", Trial.model, "--lock", "off", "--json")
    }
    for run in runs {
      run.wait()
      #expect(run.code == 0, "\(run.error)")
    }
    #expect(trial.tree("out") == reference)
    #expect(trial.files("out", hidden: true).count == reference.count, "no temporary file is left")
    let locked = try (0..<2).map { _ in
      try trial.start("parse", "in", "--out", "locked", "--model", Trial.model, "--force", "--json")
    }
    for run in locked { run.wait() }
    // The second is turned away, unless the first had ended when it began.
    let codes = locked.map { $0.code ?? -1 }.sorted()
    #expect(codes == [0, 75] || codes == [0, 0], "\(codes)")
    #expect(trial.tree("locked") == reference)
    print("chaos: two runs at once: both exit 0 without lock, \(codes) with; the tree is the same")
  }

  @Test func shardsAtOnceMakeTheWhole() throws {
    let reference = try reference()
    let shards = 4
    let runs = try (1...shards).map {
      try trial.start(
        "parse", "in", "--out", "out", "--model", Trial.model, "--shard", "\($0)/\(shards)",
        "--json")
    }
    for run in runs {
      run.wait()
      #expect(run.code == 0, "\(run.error)")
    }
    let files = runs.map { Set($0.lines.compactMap(\.file)) }
    #expect(files.allSatisfy { !$0.isEmpty })
    #expect(files.map(\.count).reduce(0, +) == Self.photos, "no photo is done by two")
    #expect(Set(files.joined()).count == Self.photos, "and none by nobody")
    #expect(trial.tree("out") == reference)
    #expect(trial.files("out", hidden: true).count == reference.count, "no lock is left")
    print("chaos: \(shards) shards at once: \(files.map(\.count)) photos, the tree is the same")
  }

  // MARK: - Mounts

  /// Runs a shell script that may mount, in the trial's folder; `$M2FP` and `$MODEL` are set.
  private func inNamespace(_ script: String) throws {
    let map = geteuid() == 0 ? [] : ["--map-root-user"]
    let run = try Trial.Run(
      ["M2FP=" + Trial.binary.path, "MODEL=" + Trial.model, "unshare", "--mount"] + map
        + ["sh", "-c", script],
      in: trial.folder)
    run.wait()
    #expect(run.code == 0, "\(run.error)")
  }

  private func text(_ name: String) -> String {
    (try? String(contentsOfFile: trial.path(name), encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
  }

  private func lines(_ name: String) -> [Trial.Line] {
    text(name).split(separator: "\n").compactMap {
      try? JSONDecoder().decode(Trial.Line.self, from: Data($0.utf8))
    }
  }
}
