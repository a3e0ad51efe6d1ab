import Foundation
import TestSupport
import Testing

/// Persons, pictures and exports, by the binary itself.
struct OutputFormatTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func json(_ name: String) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: folder.read(name)) as? [String: Any])
  }

  @Test func twoPersonsHaveTheirOwnParts() async throws {
    try addPhoto("in/a.png")
    let result = try await parse("in", "--persons", "--person-masks", "all", "--cutout-persons")
    #expect(result.code == 0, "\(result.error)")
    let persons = try #require(try json("in/a.m2fp.json")["persons"] as? [[String: Any]])
    #expect(persons.map { $0["id"] as? Int } == [1, 2])
    for (id, part) in [(1, "hair"), (2, "face")] {
      #expect(folder.exists("in/a.m2fp/person-\(id)/\(part).png"))
      #expect(folder.exists("in/a.m2fp/person-\(id).cutout.png"))
    }
    #expect(!folder.exists("in/a.m2fp/person-2/hair.png"), "the other one's hair")
    // A stricter rule is another option, and leaves nothing of the second person.
    #expect(
      try await parse("in", "--persons", "--min-person-score", "0.9612", "--person-masks", "all")
        .code
        == 0)
    #expect(folder.exists("in/a.m2fp/person-1/hair.png") && !folder.exists("in/a.m2fp/person-2"))
    #expect(!folder.exists("in/a.m2fp/person-1.cutout.png"))
    #expect(try await parse("in", "--persons", "--min-person-size", "90%").code == 0)
    #expect((try json("in/a.m2fp.json")["persons"] as? [Any])?.isEmpty == true)
  }

  @Test func exportsHoldWhatEarlierRunsHaveParsed() async throws {
    try addPhoto("in/a.png")
    try addPhoto("in/sub/b.png")
    try folder.write("in/c.jpg", "text".utf8)
    #expect(try await parse("in", "--persons").code == 3)
    let result = try await parse(
      "in", "--persons", "--export", "coco=out/coco.json", "--export", "labels=out/labels",
      "--export", "lip=out/lip", "--export", "yolo=out/yolo", "--sheet", "out/sheet.html",
      "--json")
    #expect(result.code == 3 && result.summary?.current == 2)
    let images = try #require(try json("out/coco.json")["images"] as? [[String: Any]])
    #expect(images.map { $0["file_name"] as? String } == ["a.png", "sub/b.png"])
    for name in [
      "labels/a.png", "labels/sub/b.png", "lip/instance_parsing/sub/b.txt", "yolo/labels/a.txt",
    ] {
      #expect(folder.exists("out/" + name))
    }
    let sheet = try folder.text("out/sheet.html")
    #expect(sheet.contains("\"failure\":") && sheet.contains("\"persons\":2"))
  }

  /// What a run leaves among the photos the next takes for nothing else, though it does not name it.
  @Test func issue19ExportsOfEarlierRunsAreKnown() async throws {
    try addPhoto("in/a.png")
    for sheet in ["in/sheet", "in/sheet.html"] {
      let first = try await parse(
        "in", "--persons", "--sheet", sheet, "--export", "coco=in/coco.json", "--export",
        "yolo=in/sub/yolo")
      #expect(first.code == 0, "\(first.error)")
    }
    #expect(folder.exists("in/sheet/index.html") && folder.exists("in/sheet/photos/a.jpeg"))
    let next = try await parse("in", "--persons", "--json")
    #expect(next.summary?.current == 1 && next.summary?.leftOut == 0, "\(next.output)")
    let named = try await parse("in/sub/yolo", "--persons", "--export", "yolo=in/sub/yolo")
    #expect(named.code == 73 && named.error.contains("would replace"), "\(named.error)")
    #expect(folder.exists("in/sub/yolo/images/a.png"))
  }

  /// Under a limit that the sheet exceeds, and nothing else.
  @Test func anExportThatFailsTakesNothingElseAlong() async throws {
    for name in ["1", "2", "3", "4"] { try addPhoto("in/\(name).png") }
    try folder.write("in/b.png", "text".utf8)
    let arguments = """
      in --sheet sheet.html --export coco=coco.json --failed-to failed.txt --metrics m2fp.prom
      """
    let limited = try await shell(
      "trap '' XFSZ; ulimit -f 24; exec \"$M2FP\" parse --model \"$MODEL\" \(arguments)")
    #expect(limited.code == 73 && limited.error.contains("sheet.html failed"), "\(limited.error)")
    #expect(!folder.exists("sheet.html") && folder.exists("coco.json"))
    #expect(try folder.text("failed.txt") == "in/./b.png\n")
    let metrics = try folder.text("m2fp.prom")
    #expect(metrics.contains("m2fp_last_run_exit_code{task=\"m2fp\"} 73"))
    #expect(metrics.contains("result=\"failed\"} 1"))
    let again = try await shell("exec \"$M2FP\" parse --model \"$MODEL\" \(arguments)")
    #expect(again.code == 3 && folder.exists("sheet.html"), "\(again.error)")
  }

  @Test func optionsThatNeedAnotherSaySo() async throws {
    try addPhoto("in/a.png")
    for (option, needed) in [
      (["--min-person-score", "0.5"], "--persons"), (["--overlay-names"], "--overlay"),
      (["--overlay-format", "png"], "--overlay"),
      (["--overlay", "--overlay-font", "x"], "--overlay-names"),
    ] {
      let result = try await parse(["in"] + option)
      #expect(result.code == 64 && result.error.contains("needs \(needed)"), "\(result.error)")
    }
    let cutout = try await parse("in", "--cutout", "hiar")
    #expect(cutout.code == 64 && cutout.error.contains("did you mean 'hair'?"))
    let remap = try await parse("in", "--remap", "pascl")
    #expect(remap.code == 64 && remap.error.contains("did you mean 'pascal'?"))
    #expect(try await parse("in", "--export", "cocoa=x.json").code == 64)
    let old = try await parse("in", "--dry-run", "--export", "coco", "c.json")
    #expect(old.code == 0 && old.error.contains("write --export FORMAT=PATH"), "\(old.error)")
    let over = try await parse("in/a.png", "--export", "labels=in")
    #expect(over.code == 73 && over.error.contains("no export of m2fp"))
    for sheet in ["in", "in/a.png/sheet.html"] {
      let result = try await parse("in", "--sheet", sheet)
      #expect(
        result.code == 73 && !folder.exists("in/a.m2fp.json"), "before any work: \(result.error)")
    }
    #expect(
      try await parse("in", "--remap", "atr", "--masks", "face", "--overlay", "--overlay-names")
        .code == 0
    )
    #expect(folder.exists("in/a.m2fp/face.png") && folder.exists("in/a.m2fp.overlay.jpg"))
  }

  @Test func aRemapMayBeInTOML() async throws {
    let pascal = Fixtures.package.appendingPathComponent("Sources/M2FPCommands/Remaps/pascal.json")
    let table = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: pascal)) as? [String: Any])
    let map = try #require((table["map"] as? [[String: String]])?.first)
    let classes = try #require(table["classes"] as? [String])
    let toml =
      "classes = \(classes)\n[map]\n" + map.map { "\"\($0)\" = \"\($1)\"\n" }.joined()
    try folder.write("pascal.toml", toml.utf8)
    func list(_ remap: String) async throws -> ChildProcess.Finished {
      try await run("classes", "--model", Self.model, "--remap", remap)
    }
    let (ours, built) = (try await list("pascal.toml"), try await list("pascal"))
    #expect(ours.code == 0 && ours.output == built.output, "\(ours.error)")
    try folder.write("pascal.toml", "classes = [".utf8)
    #expect(try await list("pascal.toml").error.contains("pascal.toml, line 1"))
  }
}
