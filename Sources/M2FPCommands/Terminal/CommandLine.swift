import ArgumentParser
import Foundation
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
      let (words, file) = try withDefaults(arguments)
      let command = try parsed(words, typed: arguments, file)
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
    _ words: [String], typed: [String], _ file: ConfigurationFile?
  ) throws -> any ParsableCommand {
    do {
      return try parseAsRoot(words)
    } catch {
      // The parser tells of what is missing before it tells of what it does not know.
      try checkOptions(typed)
      if let file, words != typed, (try? parseAsRoot(typed)) != nil {
        Console.writeError("In \(file.path), which sets defaults:\n")
      }
      throw error
    }
  }

  /// The command line with the defaults of a file put in front of its options.
  private static func withDefaults(
    _ arguments: [String]
  ) throws -> ([String], ConfigurationFile?) {
    guard let name = arguments.first, configurableNames.contains(name) else {
      return (arguments, nil)
    }
    let rest = Array(arguments.dropFirst())
    // Whoever asks for help wants it also where m2fp.toml is broken.
    if rest.prefix(while: { $0 != "--" }).contains(where: { ["-h", "--help"].contains($0) }) {
      return (arguments, nil)
    }
    guard let path = ConfigurationFile.path(for: rest) else { return (arguments, nil) }
    let options = try OptionCatalog.all.get()
    let file = try ConfigurationFile(path: path, options: options)
    guard let command = options.command(name) else { return (arguments, nil) }
    return ([name] + file.arguments(for: command, with: rest), file)
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
