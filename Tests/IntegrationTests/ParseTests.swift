import Foundation
import M2FPCore
import M2FPImageIO
import Testing

/// The binary itself, on the fixture model that labels pixels by their colour.
struct EndToEndTests: EndToEnd {
  let place: WorkingFolder

  init() throws {
    place = try WorkingFolder()
  }

  @Test func aFolderOfPhotosIsParsed() throws {
    try addPhoto("in/a.png")
    try addPhoto("in/sub/b.png", width: 300, height: 200)
    let result = try run("parse", "in", "--out", "out", "--model", Self.model, "--json")
    #expect(result.code == 0, "\(result.error)")
    for name in ["a", "sub/b"] {
      for suffix in [".m2fp.png", ".m2fp.json", ".m2fp/hair.png", ".m2fp/face.png"] {
        #expect(exists("out/" + name + suffix))
      }
    }
    let map = try ImageDecoder.decode([UInt8](Data(contentsOf: url("out/sub/b.m2fp.png")))).image
    #expect(map.width == 300 && map.height == 200)
    func colour(_ x: Int, _ y: Int) -> [UInt8] {
      Array(map.pixels[((y * 300 + x) * 3)..<((y * 300 + x) * 3 + 3)])
    }
    #expect(colour(0, 0) == [0, 0, 0])
    #expect(colour(75, 100) == [255, 0, 0], "hair in the cihp palette")
    #expect(colour(225, 100) == [0, 0, 255], "face in the cihp palette")
    #expect(result.lines.count == 3)
    let summary = try #require(result.lines.last?["summary"] as? [String: Any])
    #expect(summary["parsed"] as? Int == 2 && summary["failed"] as? Int == 0)
  }

  @Test func parsedAgainAllIsCurrent() throws {
    try addPhoto("a.png")
    #expect(try run("parse", ".", "--model", Self.model).code == 0)
    let result = try run("parse", ".", "--model", Self.model, "--json")
    #expect(result.code == 0)
    #expect(result.lines.first?["status"] as? String == "current")
  }

  @Test func onlyInferenceNeedsTorch() throws {
    try addPhoto("in/a.png")
    #expect(try run("parse", "in", "--model", Self.model).code == 0)
    // Without the library beside it.
    let alone = url("m2fp")
    try FileManager.default.copyItem(at: Self.binary, to: alone)
    let models = ["M2FP_MODELS": Self.fixtures + "/models"]
    #expect(try run("--version", binary: alone).code == 0)
    #expect(try run("models", environment: models, binary: alone).code == 0)
    #expect(try run("classes", "--model", Self.model, binary: alone).code == 0)
    #expect(try run("parse", "in", "--model", Self.model, binary: alone).code == 0)
    let forced = try run("parse", "in", "--model", Self.model, "--force", binary: alone)
    #expect(forced.code == 72 && forced.error.contains("libM2FPTorch.so"))
    let doctor = try run("doctor", environment: models, binary: alone)
    #expect(doctor.code == 1 && doctor.output.contains("cannot load libtorch"))
  }

  @Test func aLibraryOfAnotherVersionIsRefused() throws {
    try addPhoto("in/a.png")
    try FileManager.default.copyItem(at: Self.binary, to: url("m2fp"))
    let source = url("other.c")
    try "const void *m2fp_torch_get_api(unsigned long version) { return 0; }\n"
      .write(to: source, atomically: true, encoding: .utf8)
    let compiler = Process()
    compiler.executableURL = URL(filePath: "/usr/bin/env")
    compiler.arguments = [
      "clang", "-shared", "-fPIC", "-o", url("libM2FPTorch.so").path, source.path,
    ]
    try compiler.run()
    compiler.waitUntilExit()
    try #require(compiler.terminationStatus == 0)
    let result = try run("parse", "in", "--model", Self.model, binary: url("m2fp"))
    #expect(result.code == 72 && result.error.contains("another version of m2fp"))
  }

  @Test func everyBadInputIsNamedAndTheRestIsParsed() throws {
    try addPhoto("in/good.png")
    let bad = Self.fixtures + "/images/bad"
    let names = try FileManager.default.contentsOfDirectory(atPath: bad)
    for name in names {
      try FileManager.default.copyItem(atPath: bad + "/" + name, toPath: folder + "/in/" + name)
    }
    try FileManager.default.createDirectory(
      atPath: folder + "/in/folder.jpg", withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/in/dangling.jpg", withDestinationPath: "nowhere")
    #expect(mkfifo(folder + "/in/fifo.jpg", 0o600) == 0)
    let result = try run(
      "parse", "in", "--out", "out", "--naming", "full", "--model", Self.model, "--json")
    #expect(result.code == 3)
    #expect(exists("out/good.png.m2fp.png"))
    let failed = result.lines.filter { $0["status"] as? String == "failed" }
    #expect(failed.count == names.count + 3, "\(result.error)")
    for line in failed {
      let name = URL(fileURLWithPath: line["file"] as? String ?? "").lastPathComponent
      #expect(!exists("out/" + name + ".m2fp.png"))
      #expect(!(line["message"] as? String ?? "").isEmpty && line["code"] != nil)
      #expect(result.error.contains(name))
    }
    let leftovers = try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".tmp") }
    #expect(leftovers.isEmpty)
  }

  @Test func exitCodesTellWhatIsWrong() throws {
    try addPhoto("a.png")
    let models = Self.fixtures + "/models/"
    #expect(try run("parse").code == 64)
    #expect(try run("parse", "a.png", "--max-side", "3").code == 64)
    #expect(try run("parse", "a.png", "--model", models + "future-contract.pt").code == 65)
    #expect(try run("parse", "a.png", "--model", models + "no-contract.pt").code == 65)
    #expect(try run("parse", "none", "--model", Self.model).code == 66)
    #expect(try run("parse", "a.png", "--model", "m2fp-unheard-of").code == 69)
    #expect(try run("parse", "a.png", "--model", Self.model, "--out", "a.png/x").code == 73)
    #expect(try run("parse", "a.png", "--model", models + "mismatched-contract.pt").code == 3)
  }

  @Test(arguments: [("half", "no half-precision kernels"), ("int8", "not offered")])
  func precisionsThatAreNotOfferedSayWhy(name: String, reason: String) throws {
    try addPhoto("a.png")
    let result = try run("parse", "a.png", "--model", Self.model, "--precision", name)
    #expect(result.code == 64 && result.error.contains(reason), "\(result.error)")
    #expect(try run("parse", "a.png", "--model", Self.model, "--precision", "float32").code == 0)
  }

  @Test func anotherPrecisionParsesAgain() throws {
    try addPhoto("a.png")
    func parsed(_ options: String...) throws -> Int? {
      try run(["parse", "a.png", "--model", Self.model, "--json"] + options).total("parsed")
    }
    #expect(try parsed() == 1)
    #expect(try parsed("--precision", "float32") == 0)
    #expect(try parsed("--precision", "int16") == 1)
    #expect(try parsed("--precision", "int16") == 0)
    #expect(try parsed() == 1)
  }

  @Test func aFolderWithoutPhotosIsNoInput() throws {
    #expect(mkdir(folder + "/empty", 0o700) == 0)
    let result = try run("parse", "empty", "--model", Self.model)
    #expect(result.code == 66 && result.error.contains("'empty'"))
  }

  @Test func misspeltNamesGetTheNearestOne() throws {
    try addPhoto("a.png")
    let mask = try run("parse", "a.png", "--model", Self.model, "--masks", "hiar")
    #expect(mask.code == 64 && mask.error.contains("did you mean 'hair'?"))
    let models = ["M2FP_MODELS": Self.fixtures + "/models"]
    let model = try run("classes", "--model", "colour-mutli", environment: models)
    #expect(model.code == 69 && model.error.contains("did you mean 'colour-multi'?"))
  }

  @Test func collisionsAreFoundAndFullNamesResolveThem() throws {
    try addPhoto("a.png")
    try addPhoto("a.jpeg")
    let result = try run("parse", ".", "--model", Self.model)
    #expect(result.code == 3 && result.error.contains("--naming full"))
    #expect(try run("parse", ".", "--model", Self.model, "--naming", "full").code == 0)
    #expect(exists("a.png.m2fp.png") && exists("a.jpeg.m2fp.png"))
  }

  @Test func quietPrintsNothingButFailures() throws {
    try addPhoto("a.png")
    try Data("text".utf8).write(to: url("b.jpg"))
    let result = try run("parse", ".", "--model", Self.model, "--quiet")
    #expect(result.code == 3 && result.output.isEmpty)
    let lines = result.error.split(separator: "\n")
    #expect(lines.count == 1 && lines[0].contains("b.jpg"))
  }

  @Test func aFullDiskBehindStandardOutputDoesNotEndTheRun() throws {
    try addPhoto("a.png")
    let process = Process()
    process.executableURL = Self.binary
    process.arguments = ["parse", folder, "--model", Self.model, "--json", "--quiet"]
    process.standardOutput = FileHandle(forWritingAtPath: "/dev/full")
    process.standardError = FileHandle(forWritingAtPath: "/dev/full")
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 73)
    #expect(exists("a.m2fp.json"))
  }

  @Test func theSingleHumanContractIsServed() throws {
    try addPhoto("a.png", width: 200, height: 300)
    let result = try run(
      "parse", "a.png", "--model", Self.fixtures + "/models/colour-single.pt", "--json")
    #expect(result.code == 0, "\(result.error)")
    let map = try ImageDecoder.decode([UInt8](Data(contentsOf: url("a.m2fp.png")))).image
    #expect(map.width == 200 && map.height == 300)
    #expect(exists("a.m2fp/hair.png") && exists("a.m2fp/face.png"))
  }

  @Test func modelsAreListedByName() throws {
    let result = try run("models", environment: ["M2FP_MODELS": Self.fixtures + "/models"])
    #expect(result.code == 0)
    #expect(result.output.contains("colour-multi") && result.output.contains("one person"))
    // A broken archive is a warning, not the end of the list.
    #expect(result.error.contains("no-contract.pt"))
  }

  @Test func classesAreListedWithTheirColours() throws {
    let result = try run("classes", "--model", Self.model, "--palette", "voc")
    #expect(result.code == 0)
    #expect(result.output.contains("#008000  hair"))
    #expect(result.output.split(separator: "\n").count == 20)
  }

  @Test func anInterruptedRunGoesOnWhereItWas() throws {
    for index in 0..<60 { try addPhoto("\(index).png", width: 300, height: 300) }
    let process = Process()
    process.executableURL = Self.binary
    process.arguments = ["parse", folder, "--model", Self.model, "--jobs", "1", "--quiet"]
    process.standardError = FileHandle.nullDevice
    try process.run()
    while !(try FileManager.default.contentsOfDirectory(atPath: folder))
      .contains(where: { $0.hasSuffix(".m2fp.json") })
    {
      usleep(5000)
    }
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 130)
    let result = try run("parse", ".", "--model", Self.model, "--json")
    #expect(result.code == 0)
    let summary = try #require(result.lines.last?["summary"] as? [String: Any])
    #expect((summary["current"] as? Int ?? 0) >= 1 && (summary["parsed"] as? Int ?? 0) >= 1)
    #expect((summary["current"] as? Int ?? 0) + (summary["parsed"] as? Int ?? 0) == 60)
  }
}
