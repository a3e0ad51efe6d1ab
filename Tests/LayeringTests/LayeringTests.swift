import Foundation
import Testing

/// The rule of the house: imports point down, and no floor but the top one speaks of the command line.
struct LayeringTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private static let sources = root.appendingPathComponent("Sources")

  private struct File {
    let target: String
    /// Below `Sources`.
    let path: String
    let text: String
  }

  private static func files(ending suffixes: [String]) throws -> [File] {
    try FileManager.default.subpathsOfDirectory(atPath: sources.path).sorted()
      .filter { path in suffixes.contains { path.hasSuffix($0) } }
      .map { path in
        File(
          target: String(path.prefix { $0 != "/" }), path: path,
          text: try String(contentsOf: sources.appendingPathComponent(path), encoding: .utf8))
      }
  }

  private static func words() throws -> CommandLineWords {
    let commands = try files(ending: [".swift"]).filter { $0.target == "M2FPCommands" }
    let makefile = try String(contentsOf: root.appendingPathComponent("Makefile"), encoding: .utf8)
    return CommandLineWords(
      subcommands: try CommandLineWords.subcommands(in: commands.map(\.text)),
      makeTargets: CommandLineWords.makeTargets(in: makefile))
  }

  @Test func importsPointDown() throws {
    let files = try Self.files(ending: [".swift"])
    #expect(files.count > 100)
    for file in files {
      for module in Layers.imports(file.text) {
        let objection = Layers.objection(to: module, in: file.target)
        #expect(objection == nil, "\(file.path): \(objection ?? "")")
      }
    }
  }

  @Test func onlyTheCommandsSpeakOfTheCommandLine() throws {
    let words = try Self.words()
    #expect(words.subcommands.contains("parse") && words.makeTargets.contains("install"))
    let files = try Self.files(ending: [".swift", ".c", ".cpp", ".h"])
    for file in files where !Layers.commandLine.contains(file.target) {
      let violations = try words.violations(in: file.text)
      #expect(violations.isEmpty, "\(file.path): \(violations.joined(separator: ", "))")
    }
  }

  /// Paths and markup are not texts: what compares characters finds an accent and misses the slash, or
  /// the quotation mark, that it stands on.
  @Test func issue17PathsAndMarkupAreNotTakenForCharacters() throws {
    for file in try Self.files(ending: [".swift"]) {
      let found = try CharacterUse.violations(in: file.text, path: file.path)
      #expect(found.isEmpty, "\(file.path): \(found.joined(separator: ", "))")
    }
  }

  // MARK: - The checks themselves

  @Test(arguments: [
    "path.string.hasPrefix(name)", "if path.string == other {",
    "file.path.string.split(separator: x)",
    "let isPhoto = input.path.string.lowercased().hasSuffix(x)", "name.string.contains(x)",
    #"text.replacing("<", with: "&lt;")"#, #"name.replacing("\"", with: "'")"#,
    "component.string[i]",
  ])
  func issue17UsesOfCharactersAreFound(_ code: String) throws {
    #expect(try CharacterUse.violations(in: code, path: "M2FPBatch/A.swift").count == 1)
  }

  @Test(arguments: [
    "path.bytes.starts(with: x)", "encode(path.string, forKey: key)",
    "path.string.escapedForMarkup",
    #"text.replacing("_", with: "-")"#, "value.string = x", #"message + "\(path.string)""#,
  ])
  func issue17OtherUsesAreNot(_ code: String) throws {
    #expect(try CharacterUse.violations(in: code, path: "M2FPBatch/A.swift").isEmpty)
  }

  @Test(arguments: [
    ("M2FPCore", "M2FPFiles"), ("M2FPResults", "M2FPBatch"), ("M2FPExport", "M2FPBatch"),
    ("M2FP", "M2FPCommands"), ("M2FPImageIO", "CLibZip"), ("M2FPBatch", "CPostprocess"),
    ("M2FPBatch", "ArgumentParser"), ("M2FPCore", "Logging"), ("M2FPCore", "Foundation"),
    ("Unheard", "Glibc"),
  ])
  func whatPointsUpIsFound(_ target: String, _ module: String) {
    #expect(Layers.objection(to: module, in: target) != nil)
  }

  @Test(arguments: [
    ("M2FPCommands", "Logging"), ("M2FPBatch", "M2FPResults"), ("M2FPImageIO", "CFont"),
    ("M2FPCore", "FoundationEssentials"), ("M2FPFiles", "SystemPackage"), ("m2fp", "M2FPCommands"),
  ])
  func whatPointsDownIsNot(_ target: String, _ module: String) {
    #expect(Layers.objection(to: module, in: target) == nil)
  }

  @Test func importsAreRead() {
    let text = """
      import Foundation
      @testable import M2FPBatch
      package import SystemPackage
      import struct M2FPCore.RGB
      // import Comment
      let text = "import Literal"
      """
    #expect(Layers.imports(text) == ["Foundation", "M2FPBatch", "SystemPackage", "M2FPCore"])
  }

  private static let some = CommandLineWords(
    subcommands: ["parse", "doctor"], makeTargets: ["build", "install"])

  @Test(arguments: [
    (#"throw "raise it with --max-pixels""#, "--max-pixels"),
    ("/// Larger than `--max-file-size`.", "--max-file-size"),
    (#"let text = "see 'm2fp doctor'""#, "m2fp doctor"),
    ("// what `m2fp parse` writes", "m2fp parse"),
    (#"let text = "('make install')""#, "make install"), ("/* run `make build` */", "make build"),
    (#"let text = "with Models/export.py.""#, "Models/export.py"),
    (#"let text = "with 'python3 Models export'.""#, "python3 Models export"),
    ("/// The raw value is the exit code.", "exit code"), ("  exit(1)", "exit("),
    ("_exit(3)", "exit("),
    (#"fail("name it on the command line")"#, "on the command line"),
    // In what is interpolated, in text of several lines, and in raw text.
    (#"let text = "a \(isOne ? "--one" : "two") b""#, "--one"),
    ("let text = \"\"\"\n  use \"it\" with \\\n  --out\n  \"\"\"", "--out"),
    ("let text = #\"a \"quoted\" --out\"#", "--out"),
    // Behind a character that is a quotation mark, in C.
    (#"if (c == '"') fail("use --out");"#, "--out"),
  ])
  func wordsOfTheCommandLineAreFound(_ text: String, _ word: String) throws {
    #expect(try Self.some.violations(in: text) == [word])
  }

  @Test(arguments: [
    #"let text = "make it writable""#, "value--", "if (--depth > 0) return;",
    "error_exit(info); jpeg_error_exit(info)", #"let css = "--ratio:\(width)""#,
    "/// What m2fp writes, and what makes it build.", #"let text = "a -- b""#,
    "let onExit = exits(1)", "/// As evaluation/parsing_evaluation.py counts them.",
  ])
  func otherWordsAreNot(_ text: String) throws {
    #expect(try Self.some.violations(in: text) == [])
  }
}
