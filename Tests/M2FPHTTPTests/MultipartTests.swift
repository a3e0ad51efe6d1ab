import Foundation
import Testing

@testable import M2FPHTTP

struct MultipartTests {
  @Test(arguments: [
    ("multipart/form-data; boundary=abc", "abc"),
    (#"Multipart/Form-Data; charset=utf-8; Boundary="a b;c""#, "a b;c"),
    ("multipart/form-data", nil), ("multipart/mixed; boundary=abc", nil),
    ("multipart/form-data; boundary=" + String(repeating: "x", count: 71), nil),
  ])
  func boundariesAreRead(_ type: String, _ boundary: String?) {
    #expect(Multipart.boundary(type) == boundary)
  }

  @Test func partsAreFound() throws {
    let contents = Data([0, 13, 10, 45, 45, 120, 0, 255])
    let body = Array(
      Data("preamble\r\n".utf8)
        + Data.form(contents, filename: #"a \"b\"; c.jpg"#, fields: [("masks", "hair,face")]))
    let parts = try Multipart.parts(body, boundary: "xyz")
    #expect(parts.map(\.name) == ["masks", "photo"])
    #expect(parts.map(\.filename) == [nil, #"a "b"; c.jpg"#])
    #expect(Data(body[parts[1].range]) == contents)
    #expect(String(decoding: body[parts[0].range], as: UTF8.self) == "hair,face")
  }

  @Test func anEmptyPartIsOne() throws {
    let body = Array(Data.form(Data()))
    #expect(try Multipart.parts(body, boundary: "xyz").map(\.range.count) == [0])
  }

  /// Cut anywhere, a form is refused; it never passes as a shorter one.
  @Test func aFormThatIsCutIsRefused() {
    let body = Array(Data.form(Data((0..<100).map { UInt8($0) }), fields: [("a", "b")]))
    for count in 0..<(body.count - 4) {
      #expect(throws: Multipart.Malformed.self) {
        try Multipart.parts(Array(body[..<count]), boundary: "xyz")
      }
    }
  }

  @Test func tooManyPartsAreRefused() {
    let fields = (0..<Multipart.partLimit).map { ("f\($0)", "") }
    #expect(throws: Multipart.Malformed.self) {
      try Multipart.parts(Array(Data.form(Data(), fields: fields)), boundary: "xyz")
    }
    #expect(throws: Never.self) {
      try Multipart.parts(
        Array(Data.form(Data(), fields: Array(fields.dropLast()))), boundary: "xyz")
    }
  }

  @Test func anEndlessHeadIsRefused() {
    let body = "--xyz\r\n" + String(repeating: "A: b\r\n", count: 2000) + "\r\n\r\n--xyz--\r\n"
    #expect(throws: Multipart.Malformed.self) {
      try Multipart.parts(Array(body.utf8), boundary: "xyz")
    }
  }

  @Test func whatIsPutTogetherIsTakenApart() throws {
    let files = [
      Multipart.File(name: "a.json", type: "application/json", bytes: Data("{}".utf8)),
      Multipart.File(name: "b.png", type: "image/png", bytes: Data([1, 2, 13, 10])),
    ]
    let body = Array(Multipart.body(files, boundary: "b"))
    let parts = try Multipart.parts(body, boundary: "b")
    #expect(parts.map(\.filename) == ["a.json", "b.png"])
    #expect(parts.map { Data(body[$0.range]) } == files.map(\.bytes))
  }
}
