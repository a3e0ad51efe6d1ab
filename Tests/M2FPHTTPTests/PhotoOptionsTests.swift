import M2FPCore
import M2FPImageIO
import M2FPResults
import TestSupport
import Testing

@testable import M2FP
@testable import M2FPHTTP
@testable import M2FPServe

struct PhotoOptionsTests {
  private var model: ServedModel {
    var options = ParserOptions()
    options.persons = .all
    options.outputs.personMap = false
    options.outputs.masks = [1, 2]
    let parser = Parser(contract: FakeSession.contract(), options: options) {
      _ throws(RunFailure) in
      FakeSession()
    }
    return ServedModel(
      parser, identity: ModelIdentity(name: "fake", sha256: "0"), cache: nil, version: "")
  }

  private func options(
    _ fields: [(String, String)], accept: String? = nil
  ) throws(Problem) -> PhotoOptions {
    try PhotoOptions(
      fields.map { (name: $0.0, value: $0.1) }, of: model, font: nil, accept: accept)
  }

  @Test(arguments: [
    (nil, Output.map), ("*/*", .map), ("image/*", .map), ("application/json", .json),
    ("image/jpeg", .overlay), ("image/png;q=0.2, application/zip;q=0.9", .zip),
    ("text/html, application/json;q=0.9, */*;q=0.1", .json), ("multipart/mixed", .multipart),
    ("image/png;q=0, */*", .json),
  ])
  func clientsGetWhatTheyTake(_ accept: String?, _ output: Output) throws {
    #expect(try options([], accept: accept).output == output)
  }

  @Test func whatNothingFitsIsRefused() {
    for accept in ["text/html", "image/webp, image/*;q=0"] {
      #expect(throws: Problem.self) { try options([], accept: accept) }
    }
  }

  @Test func optionsAreThoseOfTheModelUnlessNamed() throws {
    #expect(try options([]).parsing.outputs == model.parser.options.outputs)
    let asked = try options([
      ("masks", "class-3,class-4"), ("persons", "true"), ("min-person-score", "0.25"),
      ("max-side", "400"), ("output", "zip"), ("overlay-outlines", ""), ("overlay", "1"),
    ])
    #expect(asked.parsing.outputs.masks == [3, 4] && asked.parsing.outputs.personMap)
    #expect(asked.parsing.persons?.minScore == 0.25 && asked.parsing.maxSide == 400)
    #expect(asked.parsing.outputs.overlay?.outlines == true && asked.output == .zip)
    // The ceiling stands.
    #expect(try options([("max-side", "5000")]).parsing.maxSide == 800)
  }

  @Test func outputsBringWhatTheyNeed() throws {
    #expect(try options([("output", "overlay")]).parsing.outputs.overlay != nil)
    #expect(try options([("output", "persons")]).parsing.outputs.personMap)
    #expect(try options([("output", "cutout")]).parsing.outputs.cutout?.classes?.count == 19)
    #expect(try options([("output", "mask:class-7")]).parsing.outputs.masks == [1, 2, 7])
  }

  @Test func cutoutsAndObscuredPhotosAreAsOnTheCommandLine() throws {
    let asked = try options([
      ("cutout", "class-5"), ("crop", "5%"), ("cutout-edges", "hard"), ("background", "#102030"),
      ("pixelate", "class-3"), ("obscured-grow", "0.5"), ("obscured-format", "png"),
      ("output", "obscured"),
    ]).parsing.outputs
    #expect(asked.cutout?.style.crop == .share(0.05) && asked.cutout?.style.edges == .hard)
    #expect(asked.cutout?.style.background == .colour(RGB(0x10, 0x20, 0x30)))
    #expect(asked.obscured?.obscuring.others == [3] && asked.obscured?.format == .png)
    #expect(asked.obscured?.obscuring.style == .pixelate && asked.obscured?.obscuring.grow == 0.5)
    #expect(
      try options([("cutout", "all"), ("crop", "40")]).parsing.outputs.cutout?.style.crop
        == .pixels(40))
  }

  @Test(arguments: [
    ("mask", "hair", "unknown-option", "did you mean 'masks'"),
    ("masks", "class-33", "bad-request", "did you mean"), ("persons", "maybe", "bad-request", ""),
    ("max-side", "10", "bad-request", "64"), ("deadline", "0.09", "bad-request", "0.1"),
    ("output", "video", "bad-request", "zip"), ("cutout", "none", "bad-request", ""),
    ("overlay-format", "gif", "bad-request", ""), ("overlay-names", "true", "bad-request", "font"),
    ("min-person-score", "nan", "bad-request", ""), ("output", "obscured", "bad-request", "blur"),
    ("blur", "none", "bad-request", "no class"), ("crop", "-1", "bad-request", "pixels"),
    ("crop", "101%", "bad-request", "pixels"), ("background", "photo.jpg", "bad-request", "colour"),
    ("obscured-grow", "6", "bad-request", "5"), ("cutout-edges", "round", "bad-request", "soft"),
  ])
  func whatMakesNoSenseIsTold(_ name: String, _ value: String, _ code: String, _ words: String) {
    do throws(Problem) {
      _ = try options([(name, value)])
      Issue.record("\(name)=\(value) was taken")
    } catch {
      #expect(error.code == code && error.status == 400)
      #expect(words.isEmpty || error.detail.contains(words), "\(error.detail)")
    }
  }

  @Test(arguments: [
    ("a.jpg", "a.jpg"), ("../../etc/passwd", "passwd"), (#"C:\a\b c.png"#, "bc.png"), ("", "photo"),
    ("größe.png", "gre.png"), ("..", "photo"), ("a\r\nSet-Cookie: x", "aSet-Cookiex"),
    (String(repeating: "x", count: 300), String(repeating: "x", count: 100)),
  ])
  func namesAreHarmless(_ name: String, _ clean: String) {
    #expect(PhotoOptions.clean(name) == clean)
  }
}
