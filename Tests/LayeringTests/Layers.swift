import Foundation

/// The floors of the house: a target imports only what lies on a lower one.
enum Layers {
  /// From the bottom, with what each target may import of the targets of other people.
  static let floors: [[String: Set<String>]] = [
    [
      "CBuildInfo": [], "CFileCalls": [], "CFont": [], "CImageCodec": [], "CLibCrypto": [],
      "CLibFreeType": [],
      "CLibHiredis": [], "CLibJPEG": [], "CLibPNG": [], "CLibZip": [], "CPostprocess": [],
      "CThreadCalls": [], "CTorchInterface": [], "CTorchLoader": [],
    ],
    ["M2FPCore": ["SystemPackage"]],
    ["M2FPEvaluation": [], "M2FPFiles": ["SystemPackage"], "M2FPImageIO": ["SystemPackage"]],
    ["M2FPInference": ["SystemPackage"], "M2FPResults": ["SystemPackage"]],
    ["M2FP": ["SystemPackage"]],
    [
      "M2FPBatch": ["SystemPackage"], "M2FPDatasets": ["SystemPackage"],
      "M2FPExport": ["SystemPackage"],
    ],
    ["M2FPServe": ["SystemPackage"]],
    [
      "M2FPHTTP": [
        "HTTPTypes", "Logging", "NIOCore", "NIOExtras", "NIOHTTP1", "NIOHTTPTypes",
        "NIOHTTPTypesHTTP1", "NIOPosix", "SystemPackage",
      ]
    ],
    ["M2FPCommands": ["ArgumentParser", "Logging", "SystemPackage"]],
    [
      "m2fp": [], "m2fp-bench": ["Logging", "SystemPackage"],
      "m2fp-serve": ["Logging", "SystemPackage"],
    ],
  ]

  /// Who may import a library of C: the others go through its owner.
  static let owners = [
    "CBuildInfo": "M2FPCommands", "CFileCalls": "M2FPFiles", "CFont": "M2FPImageIO",
    "CImageCodec": "M2FPImageIO",
    "CLibCrypto": "M2FPFiles", "CLibHiredis": "M2FPBatch", "CLibZip": "M2FPInference",
    "CPostprocess": "M2FPCore", "CThreadCalls": "M2FPBatch",
    "CTorchLoader": "M2FPInference", "CTorchInterface": "M2FPInference",
  ]

  /// What comes with the toolchain. Not Foundation: with it its data of all languages, 45 MB, would be linked
  /// into each program.
  static let standard: Set<String> = [
    "CDispatch", "Dispatch", "FoundationEssentials", "Glibc", "Synchronization",
  ]

  /// The targets that may speak of the command line.
  static let commandLine: Set<String> = ["M2FPCommands", "m2fp", "m2fp-bench", "m2fp-serve"]

  static func floor(of target: String) -> Int? { floors.firstIndex { $0[target] != nil } }

  /// Why `target` must not import `module`; nil if it may.
  static func objection(to module: String, in target: String) -> String? {
    guard let floor = floor(of: target) else { return "\(target) is on no floor" }
    if standard.contains(module) { return nil }
    guard let other = Self.floor(of: module) else {
      return floors[floor][target]?.contains(module) ?? false
        ? nil : "\(target) may not import \(module)"
    }
    if other >= floor { return "\(target) imports \(module), which is not below it" }
    if let owner = owners[module], owner != target {
      return "\(target) imports \(module), which is \(owner)'s own"
    }
    return nil
  }

  /// The modules that a Swift file imports.
  static func imports(_ text: String) -> [String] {
    SourceText(text).code.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ").drop { $0.hasPrefix("@") || $0 == "package" }
      guard words.first == "import", words.count >= 2 else { return nil }
      // `import struct Module.Type` names the module, too.
      return words.last?.split(separator: ".").first.map(String.init)
    }
  }
}

/// Words that belong to the command line, and to nothing below it.
struct CommandLineWords {
  /// m2fp's subcommands.
  let subcommands: [String]
  /// The Makefile's targets.
  let makeTargets: [String]

  /// Literals that look like an option and are none: CSS's own properties.
  static let noOptions: Set<String> = ["--ratio", "--map", "--photo"]

  /// A word to be found.
  private struct Pattern {
    /// What every match has in it: most texts need not be looked at any closer.
    let mark: String
    let pattern: String
  }

  private var patterns: [Pattern] {
    [
      Pattern(mark: "--", pattern: #"--[a-z][a-z-]*"#),
      Pattern(mark: "2fp ", pattern: #"(?i)\bm2fp (\#(subcommands.joined(separator: "|")))\b"#),
      Pattern(mark: "make ", pattern: #"\bmake (\#(makeTargets.joined(separator: "|")))\b"#),
      Pattern(mark: "xit ", pattern: #"(?i)\bexit (code|status)"#),
      Pattern(mark: "command line", pattern: #"(?i)\bon the command line"#),
    ]
  }

  /// A comment may name the script that a formula is taken from; a message may not.
  private static let scripts = [
    Pattern(mark: ".py", pattern: #"[A-Za-z_/]+\.py\b"#),
    Pattern(mark: ".sh", pattern: #"[A-Za-z_/]+\.sh\b"#),
    Pattern(mark: "python3", pattern: #"python3 Models [a-z_]+"#),
  ]

  private static let exits = [
    Pattern(mark: "exit(", pattern: #"(?:^|[^A-Za-z0-9_])_?exit\("#)
  ]

  private static func found(_ patterns: [Pattern], in text: String) throws -> [String] {
    try patterns.filter { text.contains($0.mark) }.flatMap { pattern in
      try text.matches(of: Regex(pattern.pattern)).map { String(text[$0.range]) }
    }
  }

  /// What is wrong with a file below the commands: the words that it should not have.
  func violations(in text: String) throws -> [String] {
    let source = SourceText(text)
    let patterns = patterns
    let words =
      try source.literals.flatMap { try Self.found(patterns + Self.scripts, in: $0) }
      + source.comments.flatMap { try Self.found(patterns, in: $0) }
    return try words.filter { !Self.noOptions.contains($0) }
      + Self.found(Self.exits, in: source.code).map { _ in "exit(" }
  }

  /// The subcommands that M2FPCommands declares: the names in its sources.
  static func subcommands(in texts: [String]) throws -> [String] {
    let name = try Regex(#"commandName: "([a-z-]+)""#)
    return texts.flatMap { text in
      text.matches(of: name).compactMap { $0.output[1].substring.map(String.init) }
    }.filter { $0 != "m2fp" }
  }

  /// The targets that a Makefile declares to be no files.
  static func makeTargets(in text: String) -> [String] {
    text.split(separator: "\n").filter { $0.hasPrefix(".PHONY:") }
      .flatMap { $0.dropFirst(".PHONY:".count).split(separator: " ").map(String.init) }
  }
}

/// Uses of characters where bytes or scalars are meant.
enum CharacterUse {
  /// The help's own texts, which are nobody else's.
  private static let own = [
    "M2FPCommands/Help/HelpTopic.swift", "M2FPCommands/Help/ManualPage.swift",
  ]

  private static let methods =
    "(?:hasPrefix|hasSuffix|contains|split|replacing|first|last|prefix|suffix|dropFirst|dropLast"
    + "|lowercased|uppercased|firstIndex|count|range|filter|trimm[a-z]+)"

  /// What is done to a path's text as if it were characters, and markup that is replaced in a text.
  static func violations(in text: String, path: String) throws -> [String] {
    let code = SourceText(text).code
    let paths = try Regex(#"[A-Za-z)]\.string(?:\.\#(methods)\b|\s*(?:==|!=)|\[)"#)
    var found = code.matches(of: paths).map { String(code[$0.range]) }
    if !own.contains(path) {
      let markup = try Regex(##"\.replacing\("(?:[<>&'\n]|\\["\\n])","##)
      found += text.matches(of: markup).map { String(text[$0.range]) }
    }
    return found
  }
}
