import ArgumentParser
import Foundation
import Logging
import M2FPCore

extension M2FPCommand {
  /// Runs what a command line says, with the defaults of m2fp.toml, and ends the process.
  ///
  /// Two things are settled before the argument parser sees the words: `m2fp help TOPIC`, which it
  /// would take for a command, and a misspelt command, which it only calls unexpected.
  public static func run(_ arguments: [String]) -> Never {
    do {
      // For 'make manual'.
      if arguments == ["help", "topics", "--mdoc"] {
        for topic in HelpTopic.all { Console.writeLine("\(own: topic.manualSection)") }
        exit()
      }
      if let topic = try HelpTopic(arguments) {
        Console.writeLine("\(own: topic.text)")
        exit()
      }
      try checkCommand(arguments)
      let defaults = try Defaults(arguments)
      let command = try parsed(arguments, defaults)
      defaults.announce(as: command, typed: arguments)
      try execute(command)
    } catch let code as ExitCode {
      leave(code)
    } catch let failure as RunFailure {
      Console.writeError("Error: \(failure.text)\n")
      leave(ExitCode(failure.kind.exitCode))
    } catch let error as ValidationError {
      fail(ValidationError(TerminalText.escaped(PathArgument.bytes(of: error.message))))
    } catch {
      fail(error)
    }
    leave(.success)
  }

  /// Says what is wrong with the command line, or what it asks for, and ends the process.
  private static func fail(_ error: any Error) -> Never {
    let code = exitCode(for: error)
    // Help, the version, completions.
    if code == .success { exit(withError: error) }
    // It may hold what was typed, or what is in a file.
    for line in fullMessage(for: error).split(separator: "\n", omittingEmptySubsequences: false) {
      Console.writeError("\(own: TerminalText.escaped(PathArgument.bytes(of: String(line))))\n")
    }
    leave(code)
  }

  /// Ends the process after a command, all of whose outputs are on disk, without the destructors of
  /// libtorch's 288 libraries: they take 0.1 s, and pull away what a thread that was abandoned uses.
  private static func leave(_ code: ExitCode) -> Never {
    fflush(nil)
    _exit(code.rawValue)
  }

  private static func execute(_ command: any ParsableCommand) throws {
    var command = command
    try command.run()
  }

  /// Parses; tells if it is m2fp.toml that is wrong, or an option that is misspelt.
  private static func parsed(
    _ typed: [String], _ defaults: Defaults
  ) throws -> any ParsableCommand {
    do {
      return try parseAsRoot(defaults.words)
    } catch {
      // The parser tells of what is missing before it tells of what it does not know.
      try checkOptions(typed)
      defaults.announceDistrust(LogFormat.text.logger(.info))
      if case .file(let file) = defaults.source, defaults.words != typed,
        (try? parseAsRoot(typed)) != nil
      {
        Console.writeError("In \(file.path), which sets defaults:\n")
      }
      throw error
    }
  }

  /// A command line with the defaults of a file put in front of its options.
  private struct Defaults {
    enum Source {
      case none
      case file(ConfigurationFile)
      case distrusted(ConfigurationFile.Distrust)
    }

    private(set) var words: [String]
    private(set) var source: Source

    init(_ arguments: [String]) throws {
      words = arguments
      source = .none
      guard let name = arguments.first, configurableNames.contains(name) else { return }
      let rest = Array(arguments.dropFirst())
      // Whoever asks for help wants it also where m2fp.toml is broken.
      if rest.prefix(while: { $0 != "--" }).contains(where: { ["-h", "--help"].contains($0) }) {
        return
      }
      guard let place = ConfigurationFile.place(for: rest) else { return }
      let options = try OptionCatalog.all.get()
      guard let command = options.command(name) else { return }
      do {
        let file = try ConfigurationFile(place, options: options)
        words = [name] + file.arguments(for: command, with: rest)
        source = .file(file)
      } catch let distrust as ConfigurationFile.Distrust {
        source = .distrusted(distrust)
      }
    }

    /// Says which file is obeyed, or is not.
    ///
    /// What the file itself says of messages does not silence this; what is typed does.
    func announce(as command: any ParsableCommand, typed: [String]) {
      let messages = (command as? ParseCommand)?.messages
      var logger = (messages?.logFormat ?? .text).logger(.info)
      if let messages, let name = typed.first, let options = try? OptionCatalog.all.get(),
        let catalog = options.command(name)
      {
        let isTyped = catalog.options.contains { option in
          ["quiet", "log-level"].contains(option.name)
            && typed.prefix { $0 != "--" }.contains { option.isNamed(by: $0) }
        }
        if isTyped { logger.logLevel = messages.logger.logLevel }
      }
      if case .file(let file) = source { logger.notice("defaults are those of \(file.path)") }
      announceDistrust(logger)
    }

    func announceDistrust(_ logger: Logger) {
      guard case .distrusted(let distrust) = source else { return }
      logger.warning("\(distrust.text)")
    }
  }

  private static func checkCommand(_ arguments: [String]) throws {
    // The parser's own command comes besides.
    guard let word = arguments.first, !word.hasPrefix("-"), word != "help" else { return }
    guard let command = command(word) else {
      let names = commandNames
      if let nearest = SpellingSuggestion.nearest(to: word, in: names) {
        throw ValidationError("there is no command '\(word)'; did you mean 'm2fp \(nearest)'?")
      }
      if FileManager.default.fileExists(atPath: word) {
        throw ValidationError("'\(word)' is no command; to parse it: m2fp parse \(word)")
      }
      throw ValidationError(
        "there is no command '\(word)'; there is \(names.joined(separator: ", ")).")
    }
    let subcommands = command.configuration.subcommands.map { $0._commandName }
    if arguments.count > 1, !subcommands.isEmpty, !arguments[1].hasPrefix("-"),
      !subcommands.contains(arguments[1])
    {
      throw ValidationError(
        "there is no 'm2fp \(word) \(arguments[1])'; there is "
          + subcommands.map { "'m2fp \(word) \($0)'" }.joined(separator: ", ") + ".")
    }
  }

  /// Finds the first option that the command does not have.
  private static func checkOptions(_ arguments: [String]) throws {
    guard let name = arguments.first,
      let command = try? OptionCatalog.all.get().command(name), command.subcommands.isEmpty
    else { return }
    for word in arguments.prefix(while: { $0 != "--" }) where word.hasPrefix("--") {
      let option = String(word.prefix { $0 != "=" })
      if command.spellings.contains(option) { continue }
      let hint =
        SpellingSuggestion.nearest(
          to: option, in: command.spellings.filter { $0.hasPrefix("--") }.sorted()
        )
        .map { "; did you mean '\($0)'?" } ?? "."
      throw ValidationError("'m2fp \(name)' has no option '\(option)'\(hint)")
    }
  }
}
