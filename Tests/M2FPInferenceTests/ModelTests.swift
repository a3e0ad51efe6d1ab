import Foundation
import M2FPCore
import SystemPackage
import TestSupport
import Testing

@testable import M2FPInference

/// On the archives that Models/commands/fixture_models.py makes.
struct ModelTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func failure(_ path: String) -> RunFailure? {
    #expect(throws: RunFailure.self) { _ = try Model(ModelArchive(path: FilePath(path))) }
  }

  @Test func theContractIsReadOutOfTheArchive() throws {
    let contract = try ModelArchive(path: Fixtures.filePath("models/colour-multi.pt")).contract
    #expect(contract.classes.count == 20 && contract.classes[13] == "Face")
    #expect(contract.palette[2] == RGB(255, 0, 0))
    #expect(contract.postprocess.instanceRules?.topK == 100 && contract.humanIndex == 20)
    #expect(contract.preprocess.geometry == .multi(shortSide: 96, maxSide: 192))
  }

  @Test func theSingleHumanContractHasNoHuman() throws {
    let contract = try ModelArchive(path: Fixtures.filePath("models/colour-single.pt")).contract
    #expect(contract.postprocess == .querySemantic && contract.humanIndex == nil)
    #expect(contract.preprocess.geometry == .single(width: 96, height: 128, padValue: 128))
  }

  @Test func aDenseContractSaysHowLogitsLie() throws {
    let contract = try ModelArchive(path: Fixtures.filePath("models/colour-dense.pt")).contract
    #expect(contract.postprocess == .dense(.init(stride: 4, alignsCorners: false)))
    #expect(contract.preprocess.geometry == .stretch(width: 96, height: 128))
    #expect(contract.preprocess.channelOrder == .bgr && !contract.tellsPersonsApart)
    for (path, value, words) in [
      (["postprocess", "stride"], 0, "a stride of 0"),
      (["postprocess", "stride"], nil, "'postprocess.stride' is missing"),
      (["postprocess", "align_corners"], 1, "'postprocess.align_corners' has the wrong type"),
      (["preprocess", "channel_order"], "grb", "'preprocess.channel_order'"),
      (["preprocess", "width"], 8200, "an input of 8200×128"),
    ] as [([String], Any?, String)] {
      let json = try json([(path, value)], of: "colour-dense.pt")
      let refused = #expect(throws: RunFailure.self) {
        try ModelContract(json: json, path: "x.pt")
      }
      #expect(refused?.message.contains(words) == true, "\(refused?.message ?? "") \(words)")
    }
  }

  @Test func anInputMayBeWarpedIntoPlace() throws {
    let json = try json([(["preprocess", "mode"], "affine")], of: "colour-dense.pt")
    let contract = try ModelContract(json: json, path: "x.pt")
    #expect(contract.preprocess.geometry == .affine(width: 96, height: 128))
    let again = try JSONEncoder().encode(contract)
    #expect(try ModelContract(json: again, path: "x.pt") == contract)
    // Masks of people are cut out of resized photos only.
    let people = try self.json(
      [
        (["preprocess", "mode"], "affine"), (["preprocess", "width"], 96),
        (["preprocess", "height"], 96),
      ], of: "colour-multi.pt")
    let refused = #expect(throws: RunFailure.self) {
      try ModelContract(json: people, path: "x.pt")
    }
    #expect(refused?.message.contains("'affine' with postprocess.mode 'instances'") == true)
  }

  @Test func aContractWithCropsSaysWhoFindsPersons() throws {
    let locator = ModelLocator(folders: [Fixtures.filePath("models")])
    let archive = try locator.open(.named("colour-crops"))
    #expect(
      archive.contract.postprocess.crops
        == .init(finder: "colour-multi", margin: 0.1, outside: .background))
    #expect(archive.contract.tellsPersonsApart && archive.contract.humanIndex == nil)
    let finder = try #require(archive.helpers[.finder])
    #expect(finder.contract.model == "m2fp-fixture" && finder.all.count == 1)
    #expect(archive.all.count == 2 && archive.personContract == finder.contract)
    let apart = try locator.open(.named("colour-crops-apart"))
    #expect(apart.helpers[.crops]?.contract.model == "dense-fixture" && apart.all.count == 3)
    #expect(try apart.resultDigest() != archive.resultDigest())
    #expect(try archive.resultDigest() != archive.digest())
    #expect(try finder.resultDigest() == finder.digest())
    for (path, value, words) in [
      (["postprocess", "crops", "margin"], -0.1, "crops with a margin of -0.1"),
      (["postprocess", "crops", "margin"], nil, "'postprocess.crops.margin' is missing"),
      (["postprocess", "crops", "outside"], "x", "'postprocess.crops.outside'"),
      (["postprocess", "crops", "finder"], "../x", "a model named '../x' for its crops"),
      (["postprocess", "crops", "network"], "", "a model named '' for its crops"),
      (["activation_bytes"], 0, "activations of 0 bytes"),
    ] as [([String], Any?, String)] {
      let json = try json([(path, value)], of: "colour-crops.pt")
      let refused = #expect(throws: RunFailure.self) {
        try ModelContract(json: json, path: "x.pt")
      }
      #expect(refused?.message.contains(words) == true, "\(refused?.message ?? "") \(words)")
    }
    let byDefault = try json([(["postprocess", "crops", "finder"], nil)], of: "colour-crops.pt")
    #expect(try ModelContract(json: byDefault, path: "x.pt").postprocess.crops?.finder == nil)
  }

  @Test func librariesThatLibtorchOnlyNamesStayOut() throws {
    _ = try Model(ModelArchive(path: Fixtures.filePath("models/colour-multi.pt")))
    func isLoaded(_ library: String) -> Bool { dlopen(library, RTLD_LAZY | RTLD_NOLOAD) != nil }
    #expect(isLoaded("libtorch_cpu.so.1.13"))
    // Of GDAL OpenCV is made. That itself has a stand-in.
    #expect(!isLoaded("libgdal.so.32") && isLoaded("libopencv_core.so.406"))
    let maps = try #require(FileHandle(forReadingAtPath: "/proc/self/maps")).readToEnd()
    let text = String(decoding: try #require(maps), as: UTF8.self)
    #expect(!text.contains("/libopencv_core"))
    // A library that does not say otherwise makes stacks executable.
    let stack = try #require(text.split(separator: "\n").first { $0.hasSuffix("[stack]") })
    #expect(stack.contains(" rw-p "))
  }

  @Test func aContractSurvivesEncoding() throws {
    for name in ["colour-multi.pt", "colour-single.pt", "colour-dense.pt", "colour-crops.pt"] {
      let contract = try ModelArchive(path: Fixtures.filePath("models/" + name)).contract
      let json = try JSONEncoder().encode(contract)
      #expect(try JSONDecoder().decode(ModelContract.self, from: json) == contract)
    }
  }

  @Test func theDigestIsTheFilesSHA256() async throws {
    let archive = try ModelArchive(path: Fixtures.filePath("models/colour-multi.pt"))
    let sum = try await ChildProcess.run("sha256sum", [archive.path.string])
    #expect(try archive.digest() == sum.output.prefix(64))
  }

  @Test func aMissingModelSaysSo() {
    let missing = failure(Fixtures.path("models/none.pt"))
    #expect(missing?.kind == .modelMissing)
    #expect(failure(Fixtures.path("models"))?.kind == .modelMissing)
  }

  @Test func aFutureContractAsksForAnUpdate() {
    let future = failure(Fixtures.path("models/future-contract.pt"))
    #expect(future?.kind == .modelContract)
    #expect(future?.message.contains("version 99") == true)
    #expect(future?.detail == .contractVersion(isNewer: true))
  }

  @Test func anArchiveWithoutAContractSaysHowToMakeOne() {
    let bare = failure(Fixtures.path("models/no-contract.pt"))
    #expect(bare?.kind == .modelContract)
    #expect(bare?.detail == .noContract)
  }

  @Test func whatIsNoArchiveIsNamedInOneLine() throws {
    let whole = try Fixtures.data("models/colour-multi.pt")
    for bytes in [Data(), Data("text".utf8), whole.prefix(whole.count / 2), whole.dropLast(10)] {
      let path = try folder.write("model.pt", bytes)
      let broken = failure(path)
      #expect(broken?.kind == .modelContract)
      #expect(broken?.message.contains("\n") == false)
      #expect(broken?.message.contains(path) == true)
    }
  }

  @Test func anArchiveWithDamagedRecordsNeverCrashes() throws {
    let whole = try Fixtures.data("models/colour-multi.pt")
    var generator = SplitMix64(seed: 1)
    for _ in 0..<40 {
      var bytes = whole
      for _ in 0..<8 {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = .random(in: 0...255, using: &generator)
      }
      let path = try folder.write("model.pt", bytes)
      _ = try? Model(ModelArchive(path: FilePath(path)))
    }
  }

  /// The contract of an archive with some of its fields changed or, where nil, taken out.
  private func json(
    _ changes: [(path: [String], value: Any?)], of archive: String = "colour-multi.pt"
  ) throws -> Data {
    func changed(_ object: Any?, _ path: ArraySlice<String>, _ value: Any?) throws -> Any? {
      guard let key = path.first else { return value }
      var object = try #require(object as? [String: Any])
      object[key] = try changed(object[key], path.dropFirst(), value)
      return object
    }
    let contract = try ModelArchive(path: Fixtures.filePath("models/" + archive)).contract
    let whole = try JSONSerialization.jsonObject(with: JSONEncoder().encode(contract))
    let object = try changes.reduce(whole) { object, change in
      try #require(try changed(object, change.path[...], change.value))
    }
    return try JSONSerialization.data(withJSONObject: object)
  }

  @Test func aContractThatContradictsItselfIsRefusedAndTheFieldNamed() throws {
    let multi: [String: Any] = [
      "mode": "multi", "short_side": 0, "max_side": 9, "divisor": 32, "mean": [0], "std": [1],
    ]
    let changes: [([String], Any?, String)] = [
      (["classes"], ["Background"], "1 classes"), (["palette"], [[0, 0, 0]], "1 colours"),
      (["classes"], "Hair", "'classes' has the wrong type"),
      (["preprocess"], multi, "mean and std"),
      (["postprocess"], ["mode": "instances"], "'postprocess.top_k' is missing"),
      (["postprocess", "mode"], "guess", "'postprocess.mode': "),
      (["postprocess", "mask_threshold"], 2, "a threshold of 2.0"),
      (["postprocess", "top_k"], 0, "the best 0 pairs"),
      (["format_version"], 0, "versions 1 to 2"), (["format_version"], nil, "'format_version'"),
    ]
    for (path, value, words) in changes {
      let json = try json([(path, value)])
      let refused = #expect(throws: RunFailure.self) {
        try ModelContract(json: json, path: "x.pt")
      }
      #expect(refused?.kind == .modelContract)
      #expect(refused?.message.contains(words) == true, "\(refused?.message ?? "") \(words)")
    }
  }

  /// What exporters wrote before version 2: other names of modes, and the classes counted twice.
  @Test(arguments: [("colour-multi.pt", "parsing", 20), ("colour-single.pt", "semantic", nil)])
  func formatOneMeansTheSame(archive: String, mode: String, human: Int?) throws {
    let changes: [(path: [String], value: Any?)] = [
      (["postprocess", "mode"], mode), (["postprocess", "parsing_classes"], 20),
      (["postprocess", "human_index"], human ?? NSNull()), (["format_version"], 1),
    ]
    let contract = try ModelArchive(path: Fixtures.filePath("models/" + archive)).contract
    let json = try json(changes, of: archive)
    #expect(try ModelContract(json: json, path: "x.pt") == contract)
    let faults: [(String, Any)] = [
      ("parsing_classes", 19), ("human_index", 7), ("mode", "instances"),
    ]
    for (field, value) in faults {
      let wrong = try self.json(changes + [(["postprocess", field], value)], of: archive)
      let refused = #expect(throws: RunFailure.self) {
        try ModelContract(json: wrong, path: "x.pt")
      }
      #expect(refused?.message.contains("'postprocess.\(field)'") == true)
    }
  }

  @Test func aNoticeIsReadAndOldContractsHaveNone() throws {
    let contract = try ModelArchive(path: Fixtures.filePath("models/colour-multi.pt")).contract
    #expect(contract.notice == nil)
    let changed = try json([(["notice"], "learned from photos")])
    #expect(try ModelContract(json: changed, path: "x.pt").notice == "learned from photos")
  }

  /// `make fuzz` found that padding to a multiple of 2⁶³ − 1 trapped.
  @Test func issue5ADivisorBeyondArithmeticIsRefused() throws {
    let seeds = Fixtures.package.appendingPathComponent("Tests/Fuzz/seeds/contract")
    let json = try Data(contentsOf: seeds.appendingPathComponent("divisor-beyond-arithmetic.json"))
    let refused = #expect(throws: RunFailure.self) { try ModelContract(json: json, path: "x.pt") }
    #expect(refused?.message.contains("a divisor of 9223372036854775807") == true)
    let sound = try Data(contentsOf: seeds.appendingPathComponent("multi.json"))
    #expect(throws: Never.self) { try ModelContract(json: sound, path: "x.pt") }
  }

  // MARK: - Archives that do more than compute

  /// Makes an archive whose contract is that of a fixture and whose network is what a script says: it
  /// defines `Network`, a module. What it calls `FOLDER/written` is a file in the folder.
  private func archive(_ network: String) async throws -> (TemporaryFolder, FilePath) {
    let folder = try TemporaryFolder()
    // TorchScript is compiled from a file.
    try folder.write(
      "network.py",
      ("import torch\nfrom typing import Tuple\n" + network.replacing("FOLDER", with: folder.path))
        .utf8)
    let script = """
      import os, sys, zipfile, torch
      folder, fixture = sys.argv[1:]
      os.chdir(folder); sys.path.insert(0, folder)
      import network
      contract = next(n for n in zipfile.ZipFile(fixture).namelist() if n.endswith("contract.json"))
      text = zipfile.ZipFile(fixture).read(contract)
      module = torch.jit.script(network.Network().eval())
      torch.jit.save(module, "model.pt", _extra_files={"contract.json": text})
      """
    _ = try await TestPython.run(script, [folder.path, Fixtures.path("models/colour-multi.pt")])
    return (folder, folder.filePath("model.pt"))
  }

  private func refusal(_ network: String) async throws -> RunFailure? {
    let (folder, path) = try await archive(network)
    try? folder.remove("written")
    var archive = try ModelArchive(path: path)
    let failure = #expect(throws: RunFailure.self) { try Model(archive) }
    #expect(!folder.exists("written"), "nothing of it ran")
    #expect(failure?.detail == .untrustedModel(sha256: try archive.digest()))
    archive.isTrusted = true
    _ = try Model(archive)
    return failure
  }

  @Test func issue17CodeThatRunsAtLoadIsRefused() async throws {
    let failure = try await refusal(
      """
      class Network(torch.nn.Module):
          def __init__(self):
              super().__init__()
              self.file = "FOLDER/written"
          @torch.jit.export
          def __getstate__(self) -> Tuple[str, bool]:
              return (self.file, self.training)
          @torch.jit.export
          def __setstate__(self, state: Tuple[str, bool]):
              self.file = state[0]
              self.training = state[1]
              torch.save(torch.ones(1), self.file)
          def forward(self, x):
              return x
      """)
    #expect(failure?.message.contains("__setstate__") == true)
  }

  @Test func issue17OperatorsThatNoExporterEmitsAreRefused() async throws {
    let failure = try await refusal(
      """
      def helper(x):
          if x.size(0) > 5:
              torch.save(x, "FOLDER/written")
          return x
      class Inner(torch.nn.Module):
          def forward(self, x):
              return helper(x)
      class Network(torch.nn.Module):
          def __init__(self):
              super().__init__()
              self.inner = Inner()
          def forward(self, x):
              return self.inner(x)
      """)
    #expect(failure?.message.contains("its network calls aten::save") == true)
  }

  @Test func issue17AnArchiveThatIsReplacedIsStillTheOneThatWasOpened() async throws {
    let folder = try TemporaryFolder()
    let original = try Fixtures.data("models/colour-multi.pt")
    try folder.write("model.pt", original)
    let archive = try ModelArchive(path: folder.filePath("model.pt"))
    let digest = try archive.digest()
    try folder.remove("model.pt")
    try folder.write("model.pt", Fixtures.data("models/colour-single.pt"))
    _ = try Model(archive)
    #expect(try archive.digest() == digest)
    #expect(try ModelArchive(path: folder.filePath("model.pt")).digest() != digest)
  }

  @Test(.timeLimit(.minutes(5))) func issue17APipeIsNoArchive() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo(folder.path("model.pt"), 0o600) == 0)
    let failure = #expect(throws: RunFailure.self) {
      try ModelArchive(path: folder.filePath("model.pt"))
    }
    #expect(failure?.kind == .modelMissing)
  }
}
