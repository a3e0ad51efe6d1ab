import ArgumentParser
import Foundation
import M2FPCore

/// Defaults of options from a file.
struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config",
    abstract: "Show the defaults that options have, and where each comes from.",
    discussion: """
      m2fp.toml in the current folder, or the file that --config names, sets defaults. A key is an \
      option's long name: at the top for every command that has it, under [parse] for 'm2fp parse'. \
      What is typed on the command line is stronger; --no-FLAG undoes a flag.
      A file in the current folder counts only if it and the folder belong to you or to root and \
      nobody else can write to them; and, as it may have come with the photos, it may neither say \
      where to write nor name a model by its path. A file that --config names may.

        model = "m2fp-r101"

        [parse]
        masks = ["hair", "face"]
        overlay = true
      """,
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
      let source = try source(options)
      let shown = options.withDefaults.filter { commands.isEmpty || commands.contains($0.name) }
      try Console.exiting {
        Console.writeLine(source.headline)
        for command in shown {
          Console.writeLine("\n[\(command.name)]")
          let rows = command.options.map { Self.row($0, command.name, source.file) }
          let width = rows.map(\.setting.count).max() ?? 0
          for row in rows {
            let gap = String(repeating: " ", count: width - row.setting.count)
            Console.writeLine("\(row.setting)\(gap)  # \(row.source)")
          }
        }
      }
    }

    /// The file, if there is one that can be read, and what to say of it.
    private func source(
      _ options: OptionCatalog
    ) throws -> (file: ConfigurationFile?, headline: TerminalText) {
      let typed = configuration.config.map { ["--config", $0] } ?? []
      guard !configuration.noConfig, let place = ConfigurationFile.place(for: typed) else {
        return (nil, "# There is no \(ConfigurationFile.standardName) here, or it is left out.")
      }
      let path = place.path
      if Console.outputIsEmptyFile(at: path) {
        // By the shell, before this program began.
        Console.writeError(
          """
          m2fp: warning: \(path) is where this goes and so was emptied before it could be read: what \
          it holds now are m2fp's own defaults. To start from what it sets, write to another file, \
          and rename that.

          """)
        return (nil, "# m2fp's own defaults")
      }
      do {
        return (try ConfigurationFile(place, options: options), "# Defaults from \(path)")
      } catch let distrust as ConfigurationFile.Distrust {
        return (nil, "# \(distrust.text)")
      }
    }

    private static func row(
      _ option: OptionCatalog.Option, _ command: String, _ file: ConfigurationFile?
    ) -> (setting: String, source: String) {
      switch file?.value(of: option.name, in: command) {
      case .flag(let isSet)?:
        return ("\(option.name) = \(isSet)", file?.path ?? "")
      case .texts(let texts)?:
        let value =
          option.isRepeating
          ? "[" + texts.map(quoted).joined(separator: ", ") + "]" : quoted(texts.first ?? "")
        return ("\(option.name) = \(value)", file?.path ?? "")
      case nil:
        guard let value = option.defaultValue else {
          return ("# \(option.name) =", option.statedDefault.map { "default: \($0)" } ?? "not set")
        }
        return ("\(option.name) = \(option.isFlag ? value : quoted(value))", "default")
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
            "\\u" + String(format: "%04X", scalar.value)
          default: String(scalar)
          }
        }.joined() + "\""
    }
  }
}
