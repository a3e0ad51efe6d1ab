import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import TestSupport
import Testing

/// The binary itself, on the fixture model that labels pixels by their colour.
struct ParseTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func aFolderOfPhotosIsParsed() async throws {
    try addPhoto("in/a.png")
    try addPhoto("in/sub/b.png", width: 300, height: 200)
    let result = try await run("parse", "in", "--out", "out", "--model", Self.model, "--json")
    #expect(result.code == 0, "\(result.error)")
    for name in ["a", "sub/b"] {
      for suffix in [".m2fp.png", ".m2fp.json", ".m2fp/hair.png", ".m2fp/face.png"] {
        #expect(folder.exists("out/" + name + suffix))
      }
    }
    let map = try decode("out/sub/b.m2fp.png").image
    #expect(map.width == 300 && map.height == 200)
    func colour(_ x: Int, _ y: Int) -> [UInt8] {
      Array(map.pixels[((y * 300 + x) * 3)..<((y * 300 + x) * 3 + 3)])
    }
    #expect(colour(0, 0) == [0, 0, 0])
    #expect(colour(75, 100) == [255, 0, 0], "hair in the cihp palette")
    #expect(colour(225, 100) == [0, 0, 255], "face in the cihp palette")
    #expect(result.lines.count == 3)
    #expect(result.summary?.parsed == 2 && result.summary?.failed == 0)
  }

  @Test func issue19WhatIsNoPhotoIsToldByKind() async throws {
    try addPhoto("in/a.png")
    try addPhoto("in/IMG_1")
    for name in ["clip.mp4", "b.psd", "c.psd", "notes"] { try folder.write("in/" + name, [1]) }
    let first = try await run("parse", "in", "--model", Self.model)
    #expect(first.code == 0 && first.error.contains("2 parsed"), "\(first.error)")
    #expect(first.error.contains("\n4 left out: 2 .psd, 1 video, 1 without suffix\n"))
    #expect(folder.exists("in/IMG_1.m2fp.png"))
    // What the first run wrote is no news to the second.
    let second = try await run("parse", "in", "--model", Self.model, "--json", "--by-name")
    #expect(second.summary?.current == 1 && second.summary?.leftOut == 5)
    #expect(second.summary?.leftOutByKind == [".psd": 2, "video": 1, "without suffix": 2])
    let none = try await run("parse", "in", "--include", "*.mp4", "--model", Self.model)
    #expect(none.code == 66 && none.error.contains("1 left out: 1 video"), "\(none.error)")
    let log = try await run(
      "parse", "in", "--model", Self.model, "--log-format", "json", "--log-level", "debug")
    #expect(log.error.contains("in/clip.mp4: left out (video)"), "\(log.error)")
    #expect(log.error.contains("2 .psd, 1 video, 1 without suffix"))
  }

  @Test func parsedAgainAllIsCurrent() async throws {
    try addPhoto("a.png")
    #expect(try await run("parse", ".", "--model", Self.model).code == 0)
    let result = try await run("parse", ".", "--model", Self.model, "--json")
    #expect(result.code == 0)
    #expect(result.lines.first?.status == "current")
  }

  @Test func onlyInferenceNeedsTorch() async throws {
    try addPhoto("in/a.png")
    #expect(try await run("parse", "in", "--model", Self.model).code == 0)
    // Without the library beside it.
    let alone = folder.path("m2fp")
    try FileManager.default.copyItem(atPath: Self.binary, toPath: alone)
    let models = ["M2FP_MODELS": Self.models]
    #expect(try await run("--version", binary: alone).code == 0)
    #expect(try await run("models", environment: models, binary: alone).code == 0)
    #expect(try await run("classes", "--model", Self.model, binary: alone).code == 0)
    #expect(try await run("parse", "in", "--model", Self.model, binary: alone).code == 0)
    let forced = try await run("parse", "in", "--model", Self.model, "--force", binary: alone)
    #expect(forced.code == 72 && forced.error.contains("libM2FPTorch.so"))
    let doctor = try await run("doctor", environment: models, binary: alone)
    #expect(doctor.code == 1 && doctor.output.contains("cannot load libtorch"))
  }

  @Test func aLibraryOfAnotherVersionIsRefused() async throws {
    try addPhoto("in/a.png")
    try FileManager.default.copyItem(atPath: Self.binary, toPath: folder.path("m2fp"))
    try folder.write(
      "other.c", "const void *m2fp_torch_get_api(unsigned long version) { return 0; }\n".utf8)
    let compiler = try await ChildProcess.run(
      "clang", ["-shared", "-fPIC", "-o", "libM2FPTorch.so", "other.c"], in: folder.path)
    try #require(compiler.code == 0, "\(compiler.error)")
    let result = try await run("parse", "in", "--model", Self.model, binary: folder.path("m2fp"))
    #expect(result.code == 72 && result.error.contains("another version of m2fp"))
  }

  @Test func everyBadInputIsNamedAndTheRestIsParsed() async throws {
    try addPhoto("in/good.png")
    let bad = Fixtures.path("images/bad")
    let names = try FileManager.default.contentsOfDirectory(atPath: bad)
    for name in names {
      try FileManager.default.copyItem(
        atPath: bad + "/" + name, toPath: folder.path("in/" + name))
    }
    try FileManager.default.createDirectory(
      atPath: folder.path("in/folder.jpg"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("in/dangling.jpg"), withDestinationPath: "nowhere")
    #expect(mkfifo(folder.path("in/fifo.jpg"), 0o600) == 0)
    let result = try await run(
      "parse", "in", "--out", "out", "--naming", "full", "--model", Self.model, "--json")
    #expect(result.code == 3)
    #expect(folder.exists("out/good.png.m2fp.png"))
    let failed = result.lines.filter { $0.status == "failed" }
    #expect(failed.count == names.count + 3, "\(result.error)")
    for line in failed {
      let name = URL(fileURLWithPath: line.file ?? "").lastPathComponent
      #expect(!folder.exists("out/" + name + ".m2fp.png"))
      #expect(!(line.message ?? "").isEmpty && line.code != nil)
      #expect(result.error.contains(name))
    }
    #expect(folder.files().allSatisfy { !$0.hasSuffix(".tmp") })
  }

  @Test func exitCodesTellWhatIsWrong() async throws {
    try addPhoto("a.png")
    let models = Self.models + "/"
    #expect(try await run("parse").code == 64)
    #expect(try await run("parse", "a.png", "--max-side", "3").code == 64)
    #expect(try await run("parse", "a.png", "--model", models + "future-contract.pt").code == 65)
    #expect(try await run("parse", "a.png", "--model", models + "no-contract.pt").code == 65)
    #expect(try await run("parse", "none", "--model", Self.model).code == 66)
    #expect(try await run("parse", "a.png", "--model", "m2fp-unheard-of").code == 69)
    #expect(try await run("parse", "a.png", "--model", Self.model, "--out", "a.png/x").code == 73)
    #expect(try await run("parse", "a.png", "--model", models + "mismatched-contract.pt").code == 3)
  }

  @Test(arguments: [("half", "no half-precision kernels"), ("int8", "not offered")])
  func precisionsThatAreNotOfferedSayWhy(name: String, reason: String) async throws {
    try addPhoto("a.png")
    let result = try await run("parse", "a.png", "--model", Self.model, "--precision", name)
    #expect(result.code == 64 && result.error.contains(reason), "\(result.error)")
    #expect(
      try await run("parse", "a.png", "--model", Self.model, "--precision", "float32").code == 0)
  }

  @Test func anotherPrecisionParsesAgain() async throws {
    try addPhoto("a.png")
    func parsed(_ options: String...) async throws -> Int? {
      try await run(["parse", "a.png", "--model", Self.model, "--json"] + options).summary?.parsed
    }
    #expect(try await parsed() == 1)
    #expect(try await parsed("--precision", "float32") == 0)
    #expect(try await parsed("--precision", "int16") == 1)
    #expect(try await parsed("--precision", "int16") == 0)
    #expect(try await parsed() == 1)
  }

  /// The fixture's network treats both sides alike: the mirror image changes nothing.
  @Test func anotherQualityParsesAgain() async throws {
    try addPhoto("a.png")
    func parsed(_ options: String...) async throws -> Int? {
      try await run(["parse", "a.png", "--model", Self.model, "--json"] + options).summary?.parsed
    }
    #expect(try await parsed() == 1)
    let map = try folder.read("a.m2fp.png")
    #expect(try await parsed("--quality", "standard") == 0)
    #expect(try await parsed("--quality", "best") == 1)
    #expect(try await parsed("--quality", "best") == 0)
    #expect(try folder.read("a.m2fp.png") == map)
    let sidecar = String(decoding: try folder.read("a.m2fp.json"), as: UTF8.self)
    #expect(sidecar.contains(#""quality" : "best""#))
    #expect(try await parsed("--quality", "fast") == 1)
    #expect(try folder.read("a.m2fp.png") == map)
  }

  @Test func aFolderWithoutPhotosIsNoInput() async throws {
    #expect(mkdir(folder.path("empty"), 0o700) == 0)
    let result = try await run("parse", "empty", "--model", Self.model)
    #expect(result.code == 66 && result.error.contains("'empty'"))
  }

  @Test func misspeltNamesGetTheNearestOne() async throws {
    try addPhoto("a.png")
    let mask = try await run("parse", "a.png", "--model", Self.model, "--masks", "hiar")
    #expect(mask.code == 64 && mask.error.contains("did you mean 'hair'?"))
    let models = ["M2FP_MODELS": Self.models]
    let model = try await run("classes", "--model", "colour-mutli", environment: models)
    #expect(model.code == 69 && model.error.contains("did you mean 'colour-multi'?"))
  }

  @Test func collisionsAreFoundAndFullNamesResolveThem() async throws {
    try addPhoto("a.png")
    try addPhoto("a.jpeg")
    let result = try await run("parse", ".", "--model", Self.model)
    #expect(result.code == 3 && result.error.contains("--naming full"))
    #expect(try await run("parse", ".", "--model", Self.model, "--naming", "full").code == 0)
    #expect(folder.exists("a.png.m2fp.png") && folder.exists("a.jpeg.m2fp.png"))
  }

  @Test func quietPrintsNothingButFailures() async throws {
    try addPhoto("a.png")
    try folder.write("b.jpg", "text".utf8)
    let result = try await run("parse", ".", "--model", Self.model, "--quiet")
    #expect(result.code == 3 && result.output.isEmpty)
    let lines = result.error.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].contains("b.jpg"))
  }

  @Test func aFullDiskBehindStandardOutputDoesNotEndTheRun() async throws {
    try addPhoto("a.png")
    let full = FileHandle(forWritingAtPath: "/dev/full")
    let result = try await start(
      ["parse", ".", "--model", Self.model, "--json", "--quiet"], output: full, error: full
    ).finish()
    #expect(result.code == 73)
    #expect(folder.exists("a.m2fp.json"))
  }

  /// Two names that a text takes for one, one that begins with a mark, one whose last letter joins the
  /// dot behind it, and a list that leads up: each has a result of its own, and none leaves `--out`.
  @Test func issue17NamesAreBytesFromTheListToTheComparison() async throws {
    try addPhoto("a.png")
    let made = try await shell(
      #"""
      mkdir in
      for name in 'Jos\303\251' 'Jose\314\201' '\314\201e' 'ayah\333\235' 'Caf\303\251/a' 'Cafe\314\201/a'; do
        path=in/$(printf "$name").png
        mkdir -p "${path%/*}"
        cp a.png "$path"
      done
      cp a.png "$(printf '\302\264e.png')"
      cd in
      { find . -name '*.png'; printf '../\302\264e.png\n'; } >../list
      """#)
    #expect(made.code == 0, "\(made.error)")
    let parsed = try await shell(
      #"cd in; "$M2FP" parse --model "$MODEL" --files-from ../list --out ../out --masks none"#)
    #expect(parsed.code == 0 && parsed.error.contains("7 parsed"), "\(parsed.error)")
    // By bytes here, too: a letter makes one character with the dot behind it, a mark with the slash before.
    let suffix = Array(".m2fp.json".utf8)
    let results = folder.files().filter { Array($0.utf8.suffix(suffix.count)) == suffix }
    #expect(
      results.count == 7 && results.allSatisfy { $0.utf8.starts(with: "out/".utf8) }, "\(results)")
    let compared = try await run("compare", "out", "out", "--worst", "0", "--json").object
    #expect(compared["images"] as? Int == 7 && (compared["failures"] as? [Any])?.isEmpty == true)
  }

  /// Named by the shell and found by `find`, as the README has it.
  @Test func issue17WhatARunHasWrittenIsNoPhotoOfTheNext() async throws {
    try addPhoto("in/a.png")
    try addPhoto("in/sub/b.png", width: 90)
    let recipes = [
      #""$M2FP" parse --model "$MODEL" --persons --overlay --cutout hair *"#,
      #"find . -name '*.png' | "$M2FP" parse --model "$MODEL" --persons --overlay --cutout hair --files-from -"#,
    ]
    for recipe in recipes + recipes {
      _ = try await shell("cd in; \(recipe)")
      let sidecars = folder.files().filter { $0.hasSuffix(".m2fp.json") }
      #expect(sidecars == ["in/a.m2fp.json", "in/sub/b.m2fp.json"], "\(recipe)")
    }
  }

  /// Of names that become one text, a program is told the bytes.
  @Test func issue17LinesTellTheBytesOfNamesThatAreNotUTF8() async throws {
    try addPhoto("in/a.png")
    #expect(
      try await shell("for x in 350 351; do cp in/a.png in/a$(printf \"\\\\$x\").png; done").code
        == 0)
    let result = try await parse("in", "--json", "--masks", "none")
    #expect(result.code == 0, "\(result.error)")
    let names = result.output.split(separator: "\n").dropLast().compactMap { line in
      let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return (object?["file_bytes"] as? String).flatMap { Data(base64Encoded: $0) }
    }
    let bytes = { (last: UInt8) in Data("in/a".utf8) + [last] + Data(".png".utf8) }
    #expect(Set(names) == [bytes(0o350), bytes(0o351)] && names.count == 2)
  }

  @Test func theSingleHumanContractIsServed() async throws {
    try addPhoto("a.png", width: 200, height: 300)
    let result = try await run(
      "parse", "a.png", "--model", Self.models + "/colour-single.pt", "--json")
    #expect(result.code == 0, "\(result.error)")
    let map = try ImageDecoder.decode([UInt8](Data(contentsOf: folder.url("a.m2fp.png")))).image
    #expect(map.width == 200 && map.height == 300)
    #expect(folder.exists("a.m2fp/hair.png") && folder.exists("a.m2fp/face.png"))
  }

  @Test func aDenseNetworkIsServed() async throws {
    let model = Self.models + "/colour-dense.pt"
    try addPhoto("a.png", width: 200, height: 300)
    let arguments = ["parse", "a.png", "--model", model]
    let result = try await run(arguments + ["--persons", "--remap", "simple", "--overlay"])
    #expect(result.code == 0, "\(result.error)")
    #expect(result.error.contains("dense-fixture does not tell persons apart"))
    for name in ["a.m2fp/hair.png", "a.m2fp/face.png", "a.m2fp.persons.png", "a.m2fp.overlay.jpg"] {
      #expect(folder.exists(name), "\(name)")
    }
    // Blue is hair, yellow a face: planes are in the order that the network takes.
    func labels() throws -> [Int: Int] {
      let map = try ImageDecoder.decode([UInt8](Data(contentsOf: folder.url("a.m2fp.png")))).image
      #expect(map.width == 200 && map.height == 300)
      let colours = [[0, 0, 0]: 0, [0, 128, 0]: 2, [192, 0, 128]: 13]
      return stride(from: 0, to: map.pixels.count, by: 3).reduce(into: [:]) {
        $0[colours[map.pixels[$1..<$1 + 3].map(Int.init)] ?? -1, default: 0] += 1
      }
    }
    let plain = try await run(arguments + ["--json"])
    #expect(plain.code == 0 && !plain.error.contains("persons apart"))
    let once = try labels()
    #expect(Set(once.keys) == [0, 2, 13] && (once[2] ?? 0) > 5000 && (once[13] ?? 0) > 1000)
    // The picture's mirror image gives the same but for the edges.
    let best = try await run(arguments + ["--quality", "best"])
    #expect(best.code == 0, "\(best.error)")
    for (label, count) in try labels() { #expect(abs(count - (once[label] ?? 0)) < 300) }
  }

  /// Small networks of each family, against torch's and OpenCV's maps.
  @Test(arguments: ["segformer", "lite-hrnet-ocr", "schp"])
  func familiesOfDenseNetworksGiveTheirMaps(_ name: String) async throws {
    try folder.write("a.png", Fixtures.data("images/rgb-8bit.png"))
    let model = Fixtures.path("dense/\(name).pt")
    let result = try await run("parse", "a.png", "--model", model)
    #expect(result.code == 0, "\(result.error)")
    let map = try ImageDecoder.decode([UInt8](Data(contentsOf: folder.url("a.m2fp.png")))).image
    // Colours of PASCAL VOC: a bit of the class is half the level of a channel.
    let labels = stride(from: 0, to: map.pixels.count, by: 3).map { pixel in
      (0..<3).reduce(0) { $0 + (map.pixels[pixel + $1] == 0 ? 0 : 1 << $1) }
    }
    let expected = try Fixtures.data("dense/\(name).labels.u8")
    #expect(labels.count == expected.count)
    #expect(zip(labels, expected).count { $1 != 255 && $0 != $1 } == 0)
  }

  @Test(arguments: [
    ("mismatched-dense", ["24×32", "postprocess.stride makes 12×16"]),
    ("miscounted-dense", ["returns 20 classes, and its contract's classes are 18"]),
    ("senseless-dense", ["no numbers", "preprocess.mean and preprocess.std"]),
  ]) func whatADenseNetworkDoesNotPromiseIsNamed(_ name: String, _ words: [String]) async throws {
    let model = Self.models + "/\(name).pt"
    try addPhoto("a.png")
    let result = try await run("parse", "a.png", "--model", model)
    #expect(result.code == 3)
    try folder.write("models/\(name).pt", Data(contentsOf: URL(fileURLWithPath: model)))
    let doctor = try await run("doctor", environment: ["M2FP_MODELS": folder.path + "/models"])
    #expect(doctor.code == 1)
    for words in words {
      #expect(result.error.contains(words), "\(result.error)")
      #expect(doctor.output.contains("\(name).pt: the network") && doctor.output.contains(words))
    }
  }

  /// A dense network that is asked about each person as well, whom another model finds.
  @Test func personsAreParsedOneByOne() async throws {
    for name in ["colour-crops", "colour-crops-apart", "colour-dense", "colour-multi"] {
      try folder.write(
        "models/\(name).pt", Data(contentsOf: URL(fileURLWithPath: Self.models + "/\(name).pt")))
    }
    let environment = ["M2FP_MODELS": folder.path + "/models"]
    func parse(_ options: String...) async throws -> ChildProcess.Finished {
      try await run(
        ["parse", "in", "--model", "colour-crops", "--json"] + options, environment: environment)
    }
    try addPhoto("in/a.png", width: 200, height: 300)
    let first = try await parse("--persons", "--overlay", "--cache", "cache")
    #expect(first.code == 0 && !first.error.contains("persons apart"), "\(first.error)")
    #expect(try #require(first.summary).parsed == 1)
    for name in ["a.m2fp/hair.png", "a.m2fp/face.png", "a.m2fp.persons.png", "a.m2fp.overlay.jpg"] {
      #expect(folder.exists("in/" + name), "\(name)")
    }
    let sidecar = try #require(
      JSONSerialization.jsonObject(with: folder.read("in/a.m2fp.json")) as? [String: Any])
    let persons = try #require(sidecar["persons"] as? [[String: Any]])
    #expect(!persons.isEmpty && (sidecar["humans"] as? [Any])?.count ?? 0 >= persons.count)
    for person in persons {
      let parts = try #require(person["parts"] as? [[String: Any]])
      #expect(Set(parts.compactMap { $0["name"] as? String }).isSubset(of: ["Hair", "Face"]))
      #expect(!parts.isEmpty)
    }
    // Whose result it is, both archives say.
    func digest(_ data: Data) -> String { data.withUnsafeBytes { SHA256.hexadecimal(of: $0) } }
    let digests = try ["colour-crops", "colour-multi"].map {
      digest(try folder.read("models/\($0).pt"))
    }
    let model = try #require(sidecar["model"] as? [String: String])
    #expect(model["sha256"] == digest(Data(digests.joined().utf8)))
    let current = try await parse("--persons", "--overlay")
    #expect(try #require(current.summary).current == 1)
    let cached = try await parse("--persons", "--overlay", "--cache", "cache", "--out", "out")
    #expect(try #require(cached.summary).cached == 1)
    // A network that is the same gives the same for crops.
    let apart = try await run(
      ["parse", "in", "--model", "colour-crops-apart", "--out", "apart"], environment: environment)
    #expect(apart.code == 0, "\(apart.error)")
    #expect(try folder.read("apart/a.m2fp.png") == folder.read("in/a.m2fp.png"))
    let best = try await parse("--quality", "best")
    #expect(try #require(best.summary).parsed == 1, "\(best.error)")

    let doctor = try await run("doctor", environment: environment)
    #expect(doctor.output.contains("needs \(folder.path)/models/colour-multi.pt"))
    #expect(!doctor.output.contains("colour-crops.pt: "), "\(doctor.output)")
    let tight = try await parse("--memory-limit", "1M", "--force")
    #expect(tight.code == 75)

    // Who wants this very model wants its finder as it is.
    let wanted = try #require(model["sha256"])
    #expect(doctor.output.contains("sha256 of all \(wanted)"))
    let same = try await parse("--model-sha256", wanted, "--dry-run")
    #expect(same.code == 0, "\(same.error)")

    // Another finder finds other persons; without one there is no result.
    try folder.write(
      "models/colour-multi.pt", Data(contentsOf: URL(fileURLWithPath: Self.models + "/random.pt")))
    let planned = try await parse("--dry-run", "--quality", "best")
    #expect(try #require(planned.summary).planned == 1)
    let other = try await parse("--model-sha256", wanted, "--dry-run")
    #expect(other.code == 65 && other.error.contains("not the model that is wanted"))
    try folder.write(
      "models/colour-multi.pt",
      Data(contentsOf: URL(fileURLWithPath: Self.models + "/colour-dense.pt")))
    let dense = try await parse()
    #expect(dense.code == 65)
    #expect(dense.error.contains("to find persons: it does not tell persons apart"))
    try folder.remove("models/colour-multi.pt")
    let missing = try await parse()
    #expect(missing.code == 69)
    #expect(missing.error.contains("needs colour-multi to find persons"), "\(missing.error)")
  }
}
