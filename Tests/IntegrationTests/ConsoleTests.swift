import Foundation
import Testing

/// What the binary prints, for whom, and what becomes of it when nobody reads it.
struct ConsoleTests: EndToEnd {
  let place: WorkingFolder

  init() throws {
    place = try WorkingFolder()
  }

  /// Names that would clear the screen, forge a line of the log, and turn the direction of writing.
  private static let names = ["\u{1B}[2Ja.png", "b\nm2fp: error: forged.png", "c\u{202E}gpj.png"]

  @Test func namesCannotSteerTheTerminal() throws {
    for name in Self.names { try write("in/" + name, Data("no photo".utf8)) }
    try addPhoto("in/d\r\u{9B}31m.png")
    for arguments in [["in"], ["in", "--dry-run"], ["in", "--log-level", "debug"], ["no\nsuch"]] {
      let result = try startParse(arguments).finish()
      let lines = result.error.split(separator: "\n")
      #expect(!lines.contains { $0.hasPrefix("m2fp: error: forged") }, "\(result.error)")
      let scalars = result.error.unicodeScalars
      #expect(scalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
      #expect(!scalars.contains("\u{202E}"))
    }
    let result = try parse("in", "--force", "--out", "out")
    #expect(result.error.contains(#"in/\x1B[2Ja.png"#), "\(result.error)")
    #expect(result.error.contains(#"in/b\nm2fp: error: forged.png"#))
    #expect(result.error.contains(#"in/c\u{202E}gpj.png"#))
    #expect(result.error.contains(#"parsed in/d\r\u{9B}31m.png"#))
  }

  @Test func jsonHasTheNamesThemselves() throws {
    for name in Self.names { try write("in/" + name, Data("no photo".utf8)) }
    let result = try parse("in", "--json")
    let files = result.lines.compactMap { $0["file"] as? String }
    #expect(Set(files) == Set(Self.names.map { "in/" + $0 }))
  }

  @Test func wrongWordsCannotSteerTheTerminal() throws {
    let result = try run("parse", "in", "--palette", "\u{1B}[2Jx")
    #expect(result.code != 0 && !result.error.unicodeScalars.contains("\u{1B}"))
  }

  /// The reader leaves after the first of twelve photos: all are parsed, and nothing is left locked.
  @Test func aClosedPipeEndsNoBatch() throws {
    for index in 0..<12 { try addPhoto("in/\(index).png") }
    // Whatever the tests' own process does with the signal.
    let result = try shell(
      """
      { env --default-signal=PIPE "$M2FP" parse in --model "$MODEL" --jobs 1 --json 2>error && code=0 || code=$?
        echo $code >code; } | head -1
      """)
    #expect(result.lines.count == 1)
    #expect(try String(contentsOf: url("code"), encoding: .utf8) == "73\n")
    let error = try String(contentsOf: url("error"), encoding: .utf8)
    #expect(error.contains("cannot write to standard output: the reader has closed the pipe."))
    #expect((0..<12).allSatisfy { exists("in/\($0).m2fp.json") })
    #expect(!exists("in/.m2fp.lock"))
  }

  @Test func aClosedPipeOfMessagesIsNoFailure() throws {
    for index in 0..<12 { try addPhoto("in/\(index).png") }
    let result = try shell(
      """
      { env --default-signal=PIPE "$M2FP" parse in --model "$MODEL" --jobs 1 2>&1 >/dev/null && code=0 || code=$?
        echo $code >code; } | head -1
      """)
    #expect(result.output.hasPrefix("parsed in/"))
    #expect(try String(contentsOf: url("code"), encoding: .utf8) == "0\n")
    #expect((0..<12).allSatisfy { exists("in/\($0).m2fp.json") })
  }
}
