import M2FPCore

/// The options of every command, as declared: read off the description of itself that the argument
/// parser gives, so that a new option can stand in m2fp.toml without being listed again.
struct OptionCatalog {
  /// One option or flag.
  struct Option {
    /// Its long name, without hyphens in front: its key in m2fp.toml.
    let name: String
    /// Every way to write it on the command line.
    let spellings: Set<String>
    let isFlag: Bool
    /// Whether `--no-NAME` is declared too.
    let isInvertible: Bool
    let isRepeating: Bool
    /// For a flag "true" or "false". Nil where there is none, or the help says what holds instead.
    let defaultValue: String?
    let abstract: String

    /// What holds where nothing is set, in the words of the help; nil if it says nothing.
    var statedDefault: String? {
      guard let mark = abstract.ranges(of: "Default: ").last else { return nil }
      let words = abstract[mark.upperBound...]
      return String(words.last == "." ? words.dropLast() : words)
    }
  }

  /// One command.
  struct Command {
    let name: String
    let subcommands: [String]
    /// Those that can stand in a file.
    let options: [Option]
    /// Every way to write any option.
    let spellings: Set<String>
    /// Whether it takes defaults from a file: whether it has `--config`.
    var takesDefaults: Bool { spellings.contains("--config") }

    func option(_ name: String) -> Option? { options.first { $0.name == name } }

    /// Whether one of the words is a -, and not the value of an option (`--files-from -`).
    func readsStandardInput(_ words: some Collection<String>) -> Bool {
      zip([""] + words, words).contains { before, word in
        word == "-" && !options.contains { !$0.isFlag && $0.spellings.contains(before) }
      }
    }
  }

  let commands: [Command]

  /// The commands that take defaults from a file.
  var withDefaults: [Command] { commands.filter(\.takesDefaults) }

  /// Options that choose the file, or end the program before anything is done.
  private static let notDefaults: Set<String> = ["config", "no-config", "version", "help"]

  /// Those of m2fp, put together when they are first asked for: for a file of defaults, or a hint.
  static let all = Result { () throws(RunFailure) in
    OptionCatalog(try CommandDescription.root.get())
  }

  init(_ root: CommandDescription) {
    commands = (root.subcommands ?? []).map { command in
      let arguments = (command.arguments ?? []).filter { !$0.isPositional }
      let flags = Set(arguments.filter(\.isFlag).compactMap(\.longName))
      let options = arguments.compactMap { argument -> Option? in
        guard let name = argument.longName, !Self.notDefaults.contains(name) else { return nil }
        // The other half of a flag that can be undone.
        if name.hasPrefix("no-"), flags.contains(String(name.dropFirst(3))) { return nil }
        let isFlag = argument.isFlag
        return Option(
          name: name,
          spellings: Set(argument.spellings + (isFlag ? ["--no-" + name] : [])),
          isFlag: isFlag, isInvertible: isFlag && flags.contains("no-" + name),
          isRepeating: argument.isRepeating,
          defaultValue: isFlag
            ? (argument.defaultValue == "--" + name ? "true" : "false") : argument.defaultValue,
          abstract: argument.abstract ?? "")
      }
      return Command(
        name: command.commandName,
        subcommands: (command.subcommands ?? []).map(\.commandName), options: options,
        spellings: Set(arguments.flatMap(\.spellings)))
    }
  }

  func command(_ name: String) -> Command? { commands.first { $0.name == name } }
}
