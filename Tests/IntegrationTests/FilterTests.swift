import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// `m2fp parse -`, on the fixture model that labels pixels by their colour.
struct FilterTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try addPhoto("a.png", width: 300, height: 200)
  }

  /// Runs `parse -` with a photo on standard input; standard output goes to the file `out`.
  private func filter(
    _ arguments: String, _ photo: String = "a.png"
  ) async throws -> ChildProcess.Finished {
    try await shell("\"$M2FP\" parse --model \"$MODEL\" \(arguments) - <\(photo) >out")
  }

  @Test func issue19EachOutputEqualsTheFileThatIsWritten() async throws {
    let files = try await parse(
      "a.png", "--persons", "--overlay", "--overlay-outlines", "--overlay-opacity", "0.7",
      "--cutout", "hair", "--crop", "10%", "--background", "#102030", "--blur", "hair", "--grow",
      "2")
    #expect(files.code == 0, "\(files.error)")
    let outputs = [
      ("--output map", "a.m2fp.png"), ("--output mask:hair --grow 2", "a.m2fp/hair.png"),
      ("--output persons", "a.m2fp.persons.png"),
      (
        "--output cutout --cutout hair --crop 10% --background '#102030'", "a.m2fp.cutout.png"
      ),
      ("--output obscured --blur hair", "a.m2fp.obscured.jpg"),
      (
        "--output overlay --persons --overlay-outlines --overlay-opacity 0.7", "a.m2fp.overlay.jpg"
      ),
    ]
    for (arguments, file) in outputs {
      let result = try await filter(arguments)
      #expect(result.code == 0 && result.error.isEmpty, "\(arguments): \(result.error)")
      #expect(try folder.read("out") == folder.read(file), "\(arguments)")
    }
    #expect(try await filter("").code == 0)
    let found = try #require(
      JSONSerialization.jsonObject(with: folder.read("out")) as? [String: Any])
    let classes = try #require(found["classes"] as? [[String: Any]])
    #expect(classes.contains { $0["name"] as? String == "Hair" }, "\(found)")
  }

  @Test func issue19DefaultsAreForFiles() async throws {
    try folder.write(
      "m2fp.toml", "overlay = true\noverlay-opacity = 0.7\nmasks = \"hair\"\njson = true\n".utf8)
    let result = try await filter("--output map")
    #expect(result.code == 0, "\(result.error)")
    #expect(try decode("out").image.width == 300)
    #expect(!folder.exists("-.m2fp.json") && !folder.exists("a.m2fp.json"))
  }

  @Test func issue19WhatCannotBeParsedIsNamed() async throws {
    try folder.write("text", "no photo".utf8)
    let text = try await filter("--output map", "text")
    #expect(text.code == 3 && text.error.contains("failed (decode) standard input: this is text"))
    let empty = try await filter("--output map", "/dev/null")
    #expect(empty.code == 3 && empty.error.contains("the file is empty"), "\(empty.error)")
    let large = try await filter("--max-file-size 1", "/dev/zero")
    #expect(large.code == 3 && large.error.contains("more than the limit of 1 MiB"))
    #expect(large.error.contains("--max-file-size"), "\(large.error)")
    #expect(try folder.read("out").isEmpty)
  }

  @Test(arguments: [
    ("--out b", "--out does not go with"), ("--json", "--json does not go with"),
    ("--sheet s.html", "--sheet does not go with"), ("b.png", "name no others beside it"),
    ("--output mask:nose", "no class is named 'nose'"), ("--output mask:all", "takes one class"),
    ("--output obscured", "needs --blur or --pixelate"),
    ("--output cutout --background x.png", "no colour (#rrggbb), and there is no file"),
  ])
  func issue19WhatMakesNoSenseIsRefused(_ arguments: String, _ message: String) async throws {
    let result = try await filter(arguments)
    #expect(result.code == 64 && result.error.contains(message), "\(result.error)")
  }

  @Test func issue19OutputIsForStandardInput() async throws {
    let result = try await parse("a.png", "--output", "map")
    #expect(result.code == 64 && result.error.contains("m2fp parse - <photo.jpg"))
  }

  @Test func issue20OutputTakenForOutIsToldSo() async throws {
    let result = try await parse("a.png", "--output", "parsed")
    #expect(result.code == 64 && result.error.contains("did you mean '--out parsed'?"))
  }

  @Test func issue19NoPictureGoesToATerminal() async throws {
    let command = "\"$M2FP\" parse --model \"$MODEL\" --output map - <a.png"
    let result = try await shell("script --quiet --return --command '\(command)' /dev/null")
    #expect(result.code == 64 && result.output.contains("nothing for a terminal"), "\(result)")
  }
}
