import ArgumentParser
import M2FPCore

/// Defaults of options from a file.
struct ConfigCommand: ExplainedCommand {
  static let examples = [
    Example("m2fp config show", "every default and its source"),
    Example("m2fp config show parse >m2fp.toml", "a file to edit"),
  ]

  static let explanation = """
    m2fp.toml in the current folder, or the file that --config names, sets defaults. A key is an \
    option's long name: at the top for every command that has it, under [parse] for 'm2fp parse'. \
    ~/.config/m2fp/m2fp.toml does the same for every folder. Stronger than the user's file is the \
    folder's, then a variable such as M2FP_JOBS, then what is typed; --no-FLAG undoes a flag.
    A file in the current folder counts only if it and the folder belong to you or to root and \
    nobody else can write to them; and, as it may have come with the photos, it may neither say \
    where to write nor name a model by its path. A file that --config names may, and your own.

      model = "m2fp-r101"

      [parse]
      masks = ["hair", "face"]
      overlay = true
    """

  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Show the defaults that options have, and where each comes from.",
    discussion: discussion,
    subcommands: [Show.self])

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Print every default and its source, in the form of m2fp.toml.")

    @OptionGroup var configuration: ConfigurationOptions

    @Argument(
      help: "Only these commands. Default: all that take defaults.",
      completion: .custom { _, _, _ in M2FPCommand.configurableNames })
    var commands: [String] = []

    func run() throws {
      let names = M2FPCommand.configurableNames
      for name in commands where !names.contains(name) {
        let hint = SpellingSuggestion.nearest(to: name, in: names)
        throw ValidationError(
          "no command '\(name)' takes defaults"
            + (hint.map { "; did you mean '\($0)'?" }
              ?? ": there is \(names.joined(separator: ", "))."))
      }
      let options = try OptionCatalog.all.get()
      let (sources, headline) = try sources(options)
      let shown = options.withDefaults.filter { commands.isEmpty || commands.contains($0.name) }
      try Console.exiting {
        Console.writeLine(headline)
        for command in shown {
          Console.writeLine("\n[\(command.name)]")
          let rows = command.options.map { Self.row($0, command.name, sources) }
          let width = rows.map(\.setting.count).max() ?? 0
          for row in rows {
            let gap = String(repeating: " ", count: width - row.setting.count)
            Console.writeLine("\(row.setting)\(gap)  # \(row.source)")
          }
        }
      }
    }

    /// What sets defaults, and what to say of it.
    private func sources(
      _ options: OptionCatalog
    ) throws -> (DefaultSources, headline: TerminalText) {
      let typed =
        configuration.noConfig
        ? ["--no-config"] : configuration.config.map { ["--config", $0] } ?? []
      if let path = ConfigurationFile.place(for: typed)?.path, Console.outputIsEmptyFile(at: path) {
        // By the shell, before this program began.
        Console.writeError(
          """
          m2fp: warning: \(path) is where this goes and so was emptied before it could be read: what \
          it holds now are m2fp's own defaults. To start from what it sets, write to another file, \
          and rename that.

          """)
        return (DefaultSources(), "# m2fp's own defaults")
      }
      let sources = try DefaultSources(for: typed, options: options)
      let names = sources.names(for: options.withDefaults).joined(separator: ", ")
      let distrust = sources.distrust.map { "\n# " + $0.text } ?? ""
      return (
        sources,
        "\(own: names.isEmpty ? "# m2fp's own defaults" : "# Defaults from ")\(names)\(own: distrust)"
      )
    }

    private static func row(
      _ option: OptionCatalog.Option, _ command: String, _ sources: DefaultSources
    ) -> (setting: String, source: String) {
      switch sources.value(of: option.name, in: command) {
      case (.flag(let isSet), let origin)?:
        return ("\(option.name) = \(isSet)", origin)
      case (.texts(let texts), let origin)?:
        let value =
          option.isRepeating
          ? "[" + texts.map(quoted).joined(separator: ", ") + "]" : quoted(texts.first ?? "")
        return ("\(option.name) = \(value)", origin)
      case nil:
        guard let value = option.defaultValue else {
          return ("# \(option.name) =", option.statedDefault.map { "default: \($0)" } ?? "not set")
        }
        // A file that is merely found may not set these: what this prints may become one.
        let mark = ConfigurationFile.notFromFoundFile.contains(option.name) ? "# " : ""
        return ("\(mark)\(option.name) = \(option.isFlag ? value : quoted(value))", "default")
      }
    }

    /// A number as it is, any other text as TOML's basic string.
    private static func quoted(_ text: String) -> String {
      if Double(text) != nil, text.allSatisfy({ $0.isNumber || "+-.".contains($0) }) { return text }
      return "\""
        + text.unicodeScalars.map { scalar in
          switch scalar {
          case "\"", "\\": "\\" + String(scalar)
          // In TOML's own way, so that the terminal's is not needed.
          case _ where TerminalText.steers(scalar):
            "\\u" + String(printf: "%04X", scalar.value)
          default: String(scalar)
          }
        }.joined() + "\""
    }
  }
}
