import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// What may happen to a run at night, done to the binary on purpose. `make chaos` does it at length:
/// `CHAOS_ROUNDS` kills, seeded by `TRIAL_SEED`.
@Suite(.serialized) struct ChaosTests: CLIFixture {
  let folder: TemporaryFolder
  private static let photos = 24

  init() throws {
    folder = try TemporaryFolder()
    for number in 0..<Self.photos {
      try addPhoto(number: number, width: 90 + number * 7, height: 70 + number * 5)
    }
  }

  /// What an undisturbed run writes, and how long it takes.
  private static let undisturbed = Task {
    let other = try ChaosTests()
    let begin = ContinuousClock.now
    let run = try await other.run("parse", "in", "--out", "out", "--model", model, "--quiet")
    try #require(run.code == 0, "\(run.error)")
    return (tree: try other.results("out"), time: ContinuousClock.now - begin)
  }

  private var reference: [String: Data] {
    get async throws { try await Self.undisturbed.value.tree }
  }

  @Test func killedAtAnyMomentARunGoesOnWhereItWas() async throws {
    let rounds = Self.number("CHAOS_ROUNDS", default: 4)
    let seed = Self.number("TRIAL_SEED", default: 1)
    var random = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    let inputs = try folder.tree("in")
    let (reference, undisturbed) = try await Self.undisturbed.value

    var (kills, trees, looks, kept, redone, temporary) = (0, 0, 0, 0, 0, 0)
    var damages: [String] = []
    while kills < rounds {
      try? folder.remove("out")
      trees += 1
      while true {
        let before = finished("out", damages: &damages)
        let run = try startParse("in", "--out", "out", "--json")
        if kills < rounds {
          try await disturb(run, undisturbed, &random, &looks, &damages)
        }
        let end = try await run.finish()
        let isKilled = end.signal == SIGKILL

        // What was whole before is neither lost nor made again, and what was reported is there.
        let after = finished("out", damages: &damages)
        for (stem, identity) in before {
          if after[stem] == nil { damages.append("\(stem) is lost") }
          if after[stem] == identity { kept += 1 } else { redone += 1 }
        }
        for line in end.lines {
          guard let file = line.file, let status = line.status else { continue }
          let stem = String(file.dropFirst("in/".count).dropLast(".png".count))
          if after[stem] == nil { damages.append("\(stem) is reported \(status) and not there") }
          if status == "failed" { damages.append("\(stem): \(line.message ?? "")") }
          if before[stem] != nil && status != "current" { damages.append("\(stem) is done again") }
        }
        if isKilled {
          kills += 1
          temporary += folder.files("out").count { $0.hasSuffix(".tmp") }
        } else {
          #expect(end.code == 0, "\(end.error)")
          break
        }
      }
      #expect(
        try folder.tree("out") == reference,
        "the tree of an undisturbed run, and no temporary file")
      if !damages.isEmpty { break }
    }
    #expect(damages.isEmpty, "\(damages.prefix(5))")
    #expect(redone == 0)
    #expect(try folder.tree("in") == inputs, "inputs are never modified")
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
  private func disturb(
    _ run: CLIRun, _ undisturbed: Duration, _ random: inout SplitMix64, _ looks: inout Int,
    _ damages: inout [String]
  ) async throws {
    // Now and then early, before anything is parsed; else a little after some photo.
    let isEarly = Int.random(in: 0..<4, using: &random) == 0
    let end = ContinuousClock.now + undisturbed * Double.random(in: 0...0.5, using: &random)
    let lines = Int.random(in: 1..<Self.photos, using: &random)
    let extra = Double.random(in: 0...0.02, using: &random)
    while run.isRunning {
      if isEarly && ContinuousClock.now > end { break }
      if !isEarly && run.lines.count >= lines {
        try await Task.sleep(for: .seconds(extra))
        break
      }
      if let file = outputs("out").randomElement(using: &random) {
        looks += 1
        if let damage = damage("out/" + file) { damages.append(damage) }
      }
      try await Task.sleep(for: .milliseconds(10))
    }
    run.process.send(SIGKILL)
  }

  /// Results that are rendered, and class maps that a person has corrected, outlast kills, too.
  @Test func killedWhileItRendersARunGoesOnAndKeepsWhatWasEdited() async throws {
    let rounds = Self.number("CHAOS_ROUNDS", default: 4)
    let seed = Self.number("TRIAL_SEED", default: 1)
    var random = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    try #require(try await parse("in", "--out", "parsed", "--quiet").code == 0)
    var edited: [String: Data] = [:]
    for number in stride(from: 0, to: Self.photos, by: 4) {
      let name = Self.name(number).dropLast(".png".count) + ".m2fp.png"
      let map = try ImageDecoder.labels([UInt8](folder.read("parsed/" + name)))
      var labels = LabelMap(
        width: map.width, height: map.height, pixels: map.pixels.map { UInt8($0) })
      for pixel in 0..<labels.width { labels.pixels[pixel] = 1 }
      edited[String(name)] = try PNGEncoder.grey(labels).data
      try folder.write("parsed/" + name, PNGEncoder.grey(labels).data)
    }
    func startAnew() throws {
      try? folder.remove("out")
      // Times and all.
      let copy = Process()
      copy.executableURL = URL(fileURLWithPath: "/bin/cp")
      copy.arguments = ["-a", folder.path("parsed"), folder.path("out")]
      try copy.run()
      copy.waitUntilExit()
      try #require(copy.terminationStatus == 0)
    }
    let arguments = ["render", "out", "--photos", "in", "--overlay", "--persons", "--json"]
    try startAnew()
    let begin = ContinuousClock.now
    let whole = try await run(arguments)
    let undisturbed = ContinuousClock.now - begin
    #expect(whole.code == 0 && whole.summary?.edited == edited.count, "\(whole.error)")
    let reference = try folder.tree("out")
    var kills = 0
    for _ in 0..<rounds {
      try startAnew()
      let run = try start(arguments)
      try await Task.sleep(for: undisturbed * Double.random(in: 0.1...0.7, using: &random))
      run.process.send(SIGKILL)
      if try await run.finish().signal == SIGKILL { kills += 1 }
      for (name, map) in edited { #expect(try folder.read("out/" + name) == map) }
      #expect(try await self.run(arguments).code == 0)
      let tree = try folder.tree("out")
      let differing = Set(tree.keys).union(reference.keys).filter { tree[$0] != reference[$0] }
      #expect(differing.isEmpty, "\(differing.sorted())")
    }
    print(
      "chaos (seed \(seed)): \(kills) kills of runs that render; \(edited.count) edited maps kept")
  }

  @Test func aFullDiskLeavesWholeFilesAndTheNextRunGoesOn() async throws {
    let reference = try await reference
    try await inNamespace(
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
    #expect(text("first.err").contains("no space left on the disk"))
    var damages: [String] = []
    let whole = finished("first", damages: &damages)
    #expect(damages.isEmpty, "\(damages.prefix(5))")
    #expect(folder.files("first").allSatisfy { !$0.hasSuffix(".tmp") })
    let failed = try await lines("first.json").filter { $0.status == "failed" }
    // The rest is left alone.
    #expect(!failed.isEmpty && failed.count + whole.count <= Self.photos)
    #expect(failed.allSatisfy { $0.stage == "write" && $0.code == "disk-full" })
    #expect(text("second.code") == "0")
    #expect(try await lines("second.json").count { $0.status == "current" } == whole.count)
    #expect(try folder.tree("second") == reference)
    print(
      "chaos: a full disk: \(whole.count) photos whole, \(failed.count) failed as disk-full, "
        + "none half-written; with room the next run parsed just those")
  }

  @Test func aReadOnlyFolderIsSaidAtOnceOrFileByFile() async throws {
    let reference = try await reference
    try await inNamespace(
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
    #expect(text("root.err").contains("the file system is read-only"))
    #expect(text("input.code") == "0", "the inputs' own folder need not be writable")
    #expect(try folder.tree("whole") == reference)
    #expect(text("part.code") == "3")
    let failed = try await lines("part.json").filter { $0.status == "failed" }
    #expect(failed.count == Self.photos / 3)
    #expect(
      failed.allSatisfy { $0.code == "output-not-writable" && $0.file?.hasPrefix("in/1/") == true })
    #expect(try folder.tree("partly") == reference, "what was there before is there still")
    print(
      "chaos: read-only: exit 73 for the root, \(failed.count) photos failed for one folder below, "
        + "the earlier outputs untouched, read-only inputs parsed")
  }

  @Test func aVanishingInputFailsAlone() async throws {
    for number in 0..<8 {
      let photo = Photo.stripes(width: 2000, height: 1500, number: number)
      try folder.write("in/8/\(number).png", PNGEncoder.rgb(photo).data)
    }
    let last = ["9/a.png", "9/b.jpg"]
    for name in last { try addPhoto("in/" + name) }
    let started = try startParse("in", "--out", "out", "--jobs", "1", "--json")
    try await started.process.wait { !started.lines.isEmpty }
    // Found and planned, but far back in the queue.
    for name in last { try folder.remove("in/" + name) }
    let run = try await started.finish()
    #expect(run.code == 3, "\(run.error)")
    let failed = run.lines.filter { $0.status == "failed" }
    #expect(failed.map(\.file) == last.map { "in/" + $0 })
    #expect(failed.allSatisfy { $0.stage == "read" && $0.code == "unreadable" })
    #expect(run.lines.count { $0.status == "parsed" } == Self.photos + 8)
  }

  @Test func aGrowingFileIsNotParsedUntilItIsComplete() async throws {
    // Noise: half of the file is half of the picture.
    let photo = try PNGEncoder.rgb(Photo.noise(width: 200, height: 150)).data
    let path = try folder.write("in/growing.png", photo.prefix(photo.count / 2))
    let started = try startParse("in", "--out", "out", "--jobs", "1", "--json")
    let file = try #require(FileHandle(forWritingAtPath: path))
    try file.seekToEnd()
    while started.isRunning {
      try file.write(contentsOf: Data([0, 0, 0]))
      try await Task.sleep(for: .microseconds(300))
    }
    let run = try await started.finish()
    #expect(run.code == 3)
    let failed = run.lines.filter { $0.status == "failed" }
    #expect(failed.map(\.file) == ["in/growing.png"])
    #expect(["read", "decode"].contains(failed.first?.stage))
    try folder.write("in/growing.png", photo)
    let next = try await parse("in", "--out", "out", "--json")
    #expect(next.code == 0)
    #expect(next.lines.filter { $0.status == "parsed" }.map(\.file) == ["in/growing.png"])
  }

  @Test func twoRunsAtOnceAgree() async throws {
    let reference = try await reference
    let runs = try (0..<2).map { _ in
      try startParse("in", "--out", "out", "--lock", "off", "--json")
    }
    for run in runs {
      let end = try await run.finish()
      #expect(end.code == 0, "\(end.error)")
    }
    #expect(try folder.tree("out") == reference, "no temporary file is left")
    let locked = try (0..<2).map { _ in
      try startParse("in", "--out", "locked", "--force", "--json")
    }
    var codes: [Int32] = []
    for run in locked { codes.append(try await run.finish().code ?? -1) }
    codes.sort()
    // The second is turned away, unless the first had ended when it began.
    #expect(codes == [0, 75] || codes == [0, 0], "\(codes)")
    #expect(try results("locked") == reference)
    print("chaos: two runs at once: both exit 0 without lock, \(codes) with; the tree is the same")
  }

  @Test func shardsAtOnceMakeTheWhole() async throws {
    let reference = try await reference
    let shards = 4
    let runs = try (1...shards).map {
      try startParse("in", "--out", "out", "--shard", "\($0)/\(shards)", "--json")
    }
    var files: [Set<String>] = []
    for run in runs {
      let end = try await run.finish()
      #expect(end.code == 0, "\(end.error)")
      files.append(Set(end.lines.compactMap(\.file)))
    }
    #expect(files.allSatisfy { !$0.isEmpty })
    #expect(files.map(\.count).reduce(0, +) == Self.photos, "no photo is done by two")
    #expect(Set(files.joined()).count == Self.photos, "and none by nobody")
    #expect(try folder.tree("out") == reference, "no lock is left")
    print("chaos: \(shards) shards at once: \(files.map(\.count)) photos, the tree is the same")
  }

  // MARK: - Mounts

  /// Runs a shell script that may mount.
  private func inNamespace(_ script: String) async throws {
    let map = geteuid() == 0 ? [] : ["--map-root-user"]
    let run = try await shell("set +e\n" + script, by: ["unshare", "--mount"] + map)
    #expect(run.code == 0, "\(run.error)")
  }

  private func text(_ name: String) -> String {
    ((try? folder.text(name)) ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private func lines(_ name: String) async throws -> [ReportLine] {
    let text = try folder.text(name)
    try await Schema.reportLine.check(ReportLine.whole(in: text))
    return ReportLine.all(in: text)
  }

  // MARK: - Trees

  private func outputs(_ name: String) -> [String] {
    folder.files(name).filter { !CLIRun.isTemporary($0) }
  }

  /// Why a file that lies in an output folder is not whole; nil if it is, or is gone.
  private func damage(_ name: String) -> String? {
    guard let data = try? folder.read(name) else { return nil }
    do {
      if name.hasSuffix(".json") {
        _ = try JSONSerialization.jsonObject(with: data)
      } else {
        _ = try ImageDecoder.decode([UInt8](data))
      }
      return nil
    } catch {
      return "\(name): \(error)"
    }
  }

  /// The inputs, by their outputs' common start, whose sidecars are there; each with what tells
  /// whether the sidecar was written anew.
  ///
  /// - Parameters:
  ///   - name: The output folder.
  ///   - damages: What is wrong with the tree: files that are not whole, outputs that a sidecar
  ///     promises and that are missing.
  /// - Returns: By stem, the sidecar's inode and times.
  private func finished(_ name: String, damages: inout [String]) -> [String: String] {
    var finished: [String: String] = [:]
    for file in outputs(name) {
      if let damage = damage(name + "/" + file) { damages.append(damage) }
      guard file.hasSuffix(".m2fp.json") else { continue }
      let path = folder.path(name + "/" + file)
      let sidecar =
        FileManager.default.contents(atPath: path).flatMap {
          try? JSONSerialization.jsonObject(with: $0) as? [String: Any]
        } ?? [:]
      for output in sidecar["outputs"] as? [[String: Any]] ?? [] {
        let below = URL(fileURLWithPath: path).deletingLastPathComponent()
          .appendingPathComponent(output["path"] as? String ?? "?").path
        if Self.size(below) != output["size"] as? Int {
          damages.append("\(below): not as promised")
        }
      }
      var status = stat()
      stat(path, &status)
      finished[String(file.dropLast(".m2fp.json".count))] = "\(status.st_ino) \(status.st_ctim)"
    }
    return finished
  }

  private static func size(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : nil
  }
}
