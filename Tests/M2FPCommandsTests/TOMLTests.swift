import Foundation
import TestSupport
import Testing

@testable import M2FPCommands

/// Compared with Python's tomllib, which passes TOML's own test suite.
struct TOMLTests {
  private static let valid = [
    "", "\u{FEFF}a = 1", "# comment\r\n\r\n a = 1 # more\n", "a=1\nb = -17\nc = +99\nd = 1_000",
    "a = 0xDEAD_beef\nb = 0o755\nc = 0b1101\nd = 9223372036854775807\ne = -9223372036854775808",
    "a = 1.5\nb = -0.01\nc = 5e+22\nd = 1e06\ne = 6.626e-34\nf = 224_617.445_991_228\ng = -0.0",
    "a = true\nb = false", "a = inf\nb = -inf\nc = +inf", "a = ''\nb = \"\"",
    #"a = "tab\t \"q\" \\ \u00E9 \U0001F600 \b\n\f\r""#, #"a = 'C:\x\no'"#,
    "a = \"\"\"\nRoses\n  \\\n\n   red\"\"\"", "a = \"\"\"\"quoted\"\"\"\"\"\nb = '''''two'''''",
    "a = '''\r\nfirst\r\nsecond'''",
    "a = [1, 2, 3,]\nb = [ # c\n 'x',\n\n [1.5], {c = 1} ]\nc = []",
    "a = { b = 1, c.d = 'x', 'e f' = {} }", "a.b.c = 1\na.b.d = 2\n\"a\".e = 3\n'f g'.h = 4",
    "[a]\nb = 1\n[a.b2]\n[ c . d ]\ne = 1\n[c]\nf = 1",
    "[[a]]\nb = 1\n[[a]]\n[a.c]\nd = 1\n[[a.e]]",
    "[a.b]\n[a]\nc.d = 1\n[a.c.e]", "3.14 = 1\n-_- = 2",
    "\"\" = 1\n\"ʎ\" = 2",
  ]

  private static let invalid = [
    "[.parse]", "[parse.]", "[parse", "[]", "[[a]", "[a]]", "[[a] ]", "[a] b = 1", "a = 1 b = 2",
    "a", "a =",
    "= 1", ".a = 1", "a. = 1", "a..b = 1", "a b = 1", "a = 1\na = 2", "[a]\n[a]", "a = 1\n[a]",
    "a.b = 1\n[a]", "[a]\nb.c = 1\n[a.b]", "a = {}\na.b = 1", "a = {}\n[a.b]", "a = [{}]\n[[a]]",
    "[[a]]\n[a]", "[a]\n[[a]]", "[a.b.c]\n[a]\nb.c.d = 1", "a = { b = 1,\n c = 2 }",
    "a = { b = 1, }",
    "a = { b = 1, b = 2 }", "a = {,}", "a = [,]", "a = [1 2]", "a = [1", "a = \"x", "a = 'x\ny'",
    "a = \"x\ny\"",
    "a = \"\"\"x\"\"", "a = '''x''", "a = \"\"\"x\"\"\"\"\"\"", "a = \"\\x41\"", "a = \"\\uD800\"",
    "a = \"\\u12\"",
    "a = \"\\U00110000\"", "a = \"\\u+123\"", "a = \"\u{1}\"", "a = 1 # \u{7F}", "a = 1\rb = 2",
    "\"\"\"a\"\"\" = 1",
    "a = 01", "a = 1__0", "a = _1", "a = 1_", "a = 0x", "a = -0x1", "a = 0xG", "a = 1.", "a = .5",
    "a = 1.e5",
    "a = 1e", "a = 1_.5", "a = +-1", "a = True", "a = tru", "a = INF", "a = \\", "ʎ = 1", "\u{1}",
    "a = 1\n\u{0}",
    "a = \"\\", "a = {", "a = { b", "a = { b =", "[", "[[", "a.\"b", "'a' 'b' = 1", "a = [1]]",
  ]

  private static func object(_ text: [UInt8]) throws -> String {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return String(decoding: try encoder.encode(TOML.table(text)), as: UTF8.self)
  }

  /// Reads pairs of a TOML text and our JSON (or null for a text that was refused) and prints where
  /// they differ.
  private static let script = """
    import json, math, sys, tomllib
    def plain(value):
        if isinstance(value, dict):
            return sorted((k, plain(v)) for k, v in value.items())
        if isinstance(value, list):
            return [plain(v) for v in value]
        if isinstance(value, float) and not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        return value
    for text, ours in json.load(open(sys.argv[1])):
        try:
            theirs = tomllib.loads(text.removeprefix("\\ufeff"))
        except tomllib.TOMLDecodeError as error:
            if ours is not None: print("accepted", repr(text), error)
            continue
        if ours is None: print("refused", repr(text))
        elif plain(json.loads(ours)) != plain(theirs): print("differs", repr(text), ours, theirs)
    """

  @Test func issue17TextsAreReadAsPythonReadsThem() async throws {
    let folder = try TemporaryFolder()
    let pairs = (Self.valid + Self.invalid).map { text -> [String?] in
      [text, try? Self.object(Array(text.utf8))]
    }
    #expect(pairs.count { $0[1] == nil } == Self.invalid.count)
    try folder.write("pairs", JSONEncoder().encode(pairs))
    let differences = try await TestPython.run(Self.script, [folder.path("pairs")])
    #expect(differences == "")
  }

  /// Texts made of pieces of others.
  @Test func issue17TextsOfPiecesAreReadAsPythonReadsThem() async throws {
    var random = SplitMix64(seed: 17)
    let pieces = [
      "a", "b", "\"c\"", "'d'", ".", "=", " ", "\n", "[", "]", "[[", "]]", "{", "}", ",", "1", "0",
      "_", "-", "+",
      "1.5", "e", "true", "\"x\"", "'''", "\"\"\"", "\\", "#", "\r\n", "a = ", "\n[a]\n",
      "\nb.a = 1\n", "\\u0041", "\t",
      "0x1", "inf", "nan", "é",
    ]
    let texts = (0..<4000).map { _ in
      (0..<Int.random(in: 1...9, using: &random)).map { _ in pieces.randomElement(using: &random)! }
        .joined()
    }
    let pairs = texts.map { text -> [String?] in [text, try? Self.object(Array(text.utf8))] }
    #expect(pairs.count { $0[1] != nil } > 100)
    let folder = try TemporaryFolder()
    try folder.write("pairs", JSONEncoder().encode(pairs))
    let differences = try await TestPython.run(Self.script, [folder.path("pairs")])
    #expect(differences == "")
  }

  @Test func issue17ALineIsNamed() {
    func line(_ text: String) -> Int? {
      do throws(TOML.SyntaxError) { _ = try TOML.table(text.utf8) } catch { return error.line }
      return nil
    }
    #expect(line("a = 1\n[.parse]\n") == 2)
    #expect(line("a = \"\"\"\n\n\"\"\"\nb") == 4)
    #expect(line("a = \"\n\"") == 1)
    #expect(line("a = [\n1,\n2,\n3") == 4)
  }

  /// What Python reads and no option takes.
  @Test(arguments: [
    "a = 1979-05-27T07:32:00Z", "a = 07:32:00", "a = 9223372036854775808", "a = 0xFFFFFFFFFFFFFFFF",
    String(repeating: "[", count: 100), "a = " + String(repeating: "[", count: 100_000),
    "a = " + String(repeating: "{a=", count: 100_000),
  ])
  func issue17WhatNoOptionTakesIsRefused(_ text: String) {
    #expect(throws: TOML.SyntaxError.self) { try TOML.table(text.utf8) }
  }

  @Test func issue17BytesThatAreNotUTF8AreRefused() {
    for bytes: [UInt8] in [[0x61, 0x3D, 0x22, 0xFF, 0x22], [0x23, 0xC3, 0x0A], [0xFF]] {
      #expect(throws: TOML.SyntaxError.self) { try TOML.table(bytes) }
    }
  }

  @Test func issue17KeysAreTheirBytes() throws {
    let table = try TOML.table("\"\u{E9}\" = 1\n\"e\u{301}\" = 2".utf8)
    #expect(table.entries.count == 2)
    guard case .integer(2) = table["e\u{301}"] else {
      Issue.record("composed and decomposed are two keys")
      return
    }
  }
}
