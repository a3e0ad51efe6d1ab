import Foundation
import TestSupport
import Testing

/// What the binary prints, for whom, and what becomes of it when nobody reads it.
struct ConsoleTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// Names that would clear the screen, forge a line of the log, and turn the direction of writing.
  private static let names = ["\u{1B}[2Ja.png", "b\nm2fp: error: forged.png", "c\u{202E}gpj.png"]

  @Test func namesCannotSteerTheTerminal() async throws {
    for name in Self.names { try folder.write("in/" + name, "no photo".utf8) }
    try addPhoto("in/d\r\u{9B}31m.png")
    for arguments in [["in"], ["in", "--dry-run"], ["in", "--log-level", "debug"], ["no\nsuch"]] {
      let result = try await parse(arguments)
      let lines = result.error.split(separator: "\n")
      #expect(!lines.contains { $0.hasPrefix("m2fp: error: forged") }, "\(result.error)")
      let scalars = result.error.unicodeScalars
      #expect(scalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
      #expect(!scalars.contains("\u{202E}"))
    }
    let result = try await parse("in", "--force", "--out", "out")
    #expect(result.error.contains(#"in/\x1B[2Ja.png"#), "\(result.error)")
    #expect(result.error.contains(#"in/b\nm2fp: error: forged.png"#))
    #expect(result.error.contains(#"in/c\u{202E}gpj.png"#))
    #expect(result.error.contains(#"parsed in/d\r\u{9B}31m.png"#))
  }

  @Test func jsonHasTheNamesThemselves() async throws {
    for name in Self.names { try folder.write("in/" + name, "no photo".utf8) }
    let result = try await parse("in", "--json")
    let files = result.lines.compactMap(\.file)
    #expect(Set(files) == Set(Self.names.map { "in/" + $0 }))
  }

  @Test func wrongWordsCannotSteerTheTerminal() async throws {
    let result = try await run("parse", "in", "--palette", "\u{1B}[2Jx")
    #expect(result.code != 0 && !result.error.unicodeScalars.contains("\u{1B}"))
  }

  /// The reader leaves after the first of twelve photos: all are parsed, and nothing is left locked.
  @Test func aClosedPipeEndsNoBatch() async throws {
    for index in 0..<12 { try addPhoto("in/\(index).png") }
    // Whatever the tests' own process does with the signal.
    let result = try await shell(
      """
      { env --default-signal=PIPE "$M2FP" parse in --model "$MODEL" --jobs 1 --json 2>error && code=0 || code=$?
        echo $code >code; } | head -1
      """)
    #expect(result.lines.count == 1)
    #expect(try folder.text("code") == "73\n")
    let error = try folder.text("error")
    #expect(error.contains("cannot write to standard output: the reader has closed the pipe."))
    #expect((0..<12).allSatisfy { folder.exists("in/\($0).m2fp.json") })
    #expect(!folder.exists("in/.m2fp.lock"))
  }

  @Test func aClosedPipeOfMessagesIsNoFailure() async throws {
    for index in 0..<12 { try addPhoto("in/\(index).png") }
    let result = try await shell(
      """
      { env --default-signal=PIPE "$M2FP" parse in --model "$MODEL" --jobs 1 2>&1 >/dev/null && code=0 || code=$?
        echo $code >code; } | head -1
      """)
    #expect(result.output.hasPrefix("parsed in/"))
    #expect(try folder.text("code") == "0\n")
    #expect((0..<12).allSatisfy { folder.exists("in/\($0).m2fp.json") })
  }

  /// What `m2fp classes` prints on a terminal.
  @Test(arguments: [
    ("TERM=xterm", "", true), ("TERM=dumb", "", false), ("TERM=xterm NO_COLOR=1", "", false),
    ("TERM=xterm NO_COLOR=1", "--color always", true), ("TERM=xterm", "--color never", false),
  ]) func coloursAreAskedForAndRefused(
    environment: String, option: String, isColoured: Bool
  ) async throws {
    let result = try await shell(
      "env -u NO_COLOR \(environment) script -qec \"$M2FP classes --no-config \(option)\" /dev/null"
    )
    #expect(result.output.contains("left-arm"), "\(result.error)")
    #expect(result.output.contains("\u{1B}[") == isColoured)
  }
}
