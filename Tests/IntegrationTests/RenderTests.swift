import Foundation
import TestSupport
import Testing

/// What is made of results that are there: `render`, and `parse` that needs no network.
struct RenderTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try addPhoto("a.png")
    try addPhoto("sub/b.png", width: 90, height: 70)
  }

  /// A copy of the binary without the library of the network, which lies beside the other.
  private func binaryAlone() throws -> String {
    let path = folder.path(".alone/m2fp")
    if !folder.exists(".alone/m2fp") {
      try FileManager.default.createDirectory(
        atPath: folder.path(".alone"), withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: Self.binary, toPath: path)
    }
    return path
  }

  /// Runs Python with Pillow and NumPy in the folder.
  private func python(_ script: String) async throws -> String {
    try await TestPython.run(
      "import os, sys, json\nimport numpy as np\nfrom PIL import Image\nos.chdir(sys.argv[1])\n"
        + script,
      [folder.path])
  }

  @Test func picturesAndExportsComeWithoutTheNetwork() async throws {
    #expect(try await parse(".").code == 0)
    let before = try results(".")
    let run = try await parse(
      ".", "--overlay", "--persons", "--export", "coco=people.json", "--json")
    #expect(run.code == 0 && run.summary?.rendered == 2 && run.summary?.parsed == 0)
    for line in run.lines where line.file != nil {
      #expect(line.status == "rendered" && line.seconds?["infer"] == nil)
    }
    let after = try results(".")
    for name in before.keys where !name.hasSuffix(".json") { #expect(after[name] == before[name]) }
    #expect(after["a.m2fp.overlay.jpg"] != nil && after["sub/b.m2fp.persons.png"] != nil)
    let again = try await parse(".", "--json")
    #expect(again.summary?.current == 2 && again.summary?.removed == 0)
    #expect(try results(".") == after)
    // As if all had been asked for at once.
    #expect(
      try await parse(
        ".", "--out", "fresh", "--overlay", "--persons", "--export", "coco=fresh.json"
      ).code == 0)
    let fresh = try results("fresh")
    for (name, data) in fresh { #expect(after[name] == data, "\(name)") }
    #expect(try folder.read("people.json") == folder.read("fresh.json"))
  }

  @Test func renderNeedsNoModelAndPhotosOnlyWhereTheyAreShown() async throws {
    #expect(try await parse("--out", "out", ".").code == 0)
    try FileManager.default.moveItem(atPath: folder.path("sub"), toPath: folder.path("moved"))
    try FileManager.default.createDirectory(
      atPath: folder.path("photos"), withIntermediateDirectories: true)
    try FileManager.default.moveItem(
      atPath: folder.path("moved"), toPath: folder.path("photos/sub"))
    let labels = try await run(
      "render", "out", "--persons", "--export", "labels=labels", "--json",
      binary: binaryAlone())
    #expect(labels.code == 0 && labels.summary?.rendered == 2, "\(labels.error)")
    #expect(folder.exists("labels/sub/b.png"))
    let overlay = try await run("render", "out", "--overlay", "--photos", "photos", "--json")
    #expect(overlay.code == 3 && overlay.summary?.failed == 1 && overlay.summary?.rendered == 1)
    #expect(folder.exists("out/sub/b.m2fp.overlay.jpg"))
    #expect(try await run("render", "photos").code == 66, "photos without results")
  }

  @Test func aCorrectedMapGoesThroughEveryRunToTheExport() async throws {
    #expect(try await parse(".", "--persons", "--cache", "cache").code == 0)
    _ = try await python(
      """
      path = "a.m2fp.png"
      image = Image.open(path)
      pixels = np.array(image)
      pixels[:20, :30] = 1
      edited = Image.fromarray(pixels, "P")
      edited.putpalette(image.getpalette())
      edited.save(path)
      """)
    let map = try folder.read("a.m2fp.png")
    for options in [[], ["--force"], ["--cache", "cache"], ["--max-side", "64"], ["--overlay"]] {
      let run = try await parse([".", "--json"] + options)
      #expect(run.code == 0 && run.summary?.edited == 1, "\(options): \(run.error)")
      #expect(try folder.read("a.m2fp.png") == map)
    }
    let export = try await run(
      "render", "a.png", "sub", "--export", "labels=labels", "--export", "coco=people.json",
      binary: binaryAlone())
    #expect(export.code == 0, "\(export.error)")
    let told = try await python(
      """
      pixels = np.array(Image.open("labels/a.png"))
      print((pixels[:20, :30] == 1).all(), np.array_equal(pixels, np.array(Image.open("a.m2fp.png"))))
      sidecar = json.load(open("a.m2fp.json"))
      counts = {c["index"]: c["pixels"] for c in sidecar["classes"]}
      print(counts == {int(v): int(n) for v, n in zip(*np.unique(pixels, return_counts=True))})
      """)
    #expect(told.split(separator: "\n") == ["True True", "True"])
    #expect(
      try await parse("a.png", "--remap", "{}").code == 64, "no such table")
    let over = try await parse("a.png", "sub", "--persons", "--overwrite-edited", "--json")
    #expect(over.summary?.parsed == 1 && over.code == 0)
    #expect(try folder.read("a.m2fp.png") != map)
  }
}
