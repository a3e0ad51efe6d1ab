import ArgumentParser
import FoundationEssentials
import M2FPCore

/// What the argument parser says of a command, in its description of itself (version 0): what help,
/// manual, completions and m2fp.toml are made of beyond what is declared.
struct CommandDescription: Decodable {
  let commandName: String
  let abstract: String?
  let subcommands: [CommandDescription]?
  let arguments: [Argument]?

  struct Argument: Decodable {
    let kind: String
    let shouldDisplay: Bool
    let sectionTitle: String?
    let isOptional: Bool
    let isRepeating: Bool
    let names: [Name]?
    let valueName: String?
    let defaultValue: String?
    /// The values of which it takes one, where they can be told.
    let allValues: [String]?
    let abstract: String?

    var isFlag: Bool { kind == "flag" }
    var isPositional: Bool { kind == "positional" }
    var longName: String? { names?.first { $0.kind == "long" }?.name }
    /// Every way to write it, the short ones first.
    var spellings: [String] {
      let names = names ?? []
      return names.filter { $0.kind != "long" }.map { "-" + $0.name }
        + names.filter { $0.kind == "long" }.map { "--" + $0.name }
    }
  }

  struct Name: Decodable {
    let kind: String
    let name: String
  }

  /// m2fp itself, put together when it is first asked for.
  static let root = Result { () throws(RunFailure) in
    try CommandDescription(json: M2FPCommand._dumpHelp())
  }

  /// - Throws: ``RunFailure`` where another version of the parser says it in another form.
  init(json: String) throws(RunFailure) {
    struct Tool: Decodable {
      let command: CommandDescription
    }
    guard let tool = try? JSONDecoder().decode(Tool.self, from: Data(json.utf8)) else {
      throw RunFailure(
        .internal, "the argument parser describes the options in a form that is not known here")
    }
    self = tool.command
  }
}
