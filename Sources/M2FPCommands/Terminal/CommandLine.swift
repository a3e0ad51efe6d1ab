import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import M2FPCore

extension M2FPCommand {
  /// Runs what a command line says, with the defaults of m2fp.toml, and ends the process.
  ///
  /// Some things are settled before the argument parser sees the words: `m2fp help TOPIC`, which it
  /// would take for a command, a misspelt command, which it only calls unexpected, and texts that it
  /// would have to be given whether or not they are asked for.
  public static func run(_ typed: [String]) -> Never {
    let arguments = joiningPairs(typed)
    do {
      if let text = try text(for: arguments) {
        Console.writeLine("\(own: text)")
        exit()
      }
      try checkCommand(arguments)
      let defaults = try Defaults(arguments)
      let command = try parsed(arguments, defaults)
      defaults.announce(as: command, typed: arguments, isOldForm: arguments != typed)
      try execute(command)
    } catch let code as ExitCode {
      leave(code)
    } catch let failure as RunFailure {
      Console.writeError("Error: \(failure.text)\n")
      leave(ExitCode(failure.kind.exitCode))
    } catch let error as ValidationError {
      fail(error, arguments)
    } catch {
      fail(error)
    }
    leave(.success)
  }

  /// The same in a program that can serve.
  ///
  /// - Parameters:
  ///   - arguments: The words of the command line, without the program's name.
  ///   - serve: Serves until it is told to end, and returns the exit code.
  package static func run(
    _ arguments: [String], serving serve: @escaping @Sendable (ServeSettings) throws -> Int32
  ) -> Never {
    ServeCommand.use(serve) {
      guard let command = try parsed(arguments, Defaults(arguments)) as? ServeCommand else {
        throw ValidationError("\(arguments.joined(separator: " ")) serves nothing")
      }
      return command
    }
    run(arguments)
  }

  /// The text that a command line asks for instead of a command; nil if it asks for none.
  private static func text(for arguments: [String]) throws -> String? {
    if let topic = try HelpTopic(arguments) { return topic.text }
    switch arguments.count {
    case 1 where ["--version", "-V"].contains(arguments[0]):
      return Version.report
    case 2 where arguments[0] == "--generate-completion-script":
      return CompletionShell(rawValue: arguments[1]).map(completions)
    // For 'make manual': the names of the pages, and each of them.
    case 2 where arguments == ["help", "--manual"]:
      return try ManualPage.all().map(\.name).joined(separator: "\n")
    case 3 where arguments.starts(with: ["help", "--manual"]):
      return try ManualPage.all().first { $0.name == arguments[2] }?.text
    default:
      return nil
    }
  }

  /// Says what we found wrong with the command line, with the usage of the command at hand, and ends
  /// the process.
  private static func fail(_ error: ValidationError, _ arguments: [String]) -> Never {
    let name = arguments.first.flatMap { command($0) == nil ? nil : $0 }
    let usage = name.flatMap { command($0) }.map { $0.configuration.usage ?? "" }
    var lines = "Error: \(error.message)\n"
    if let usage, !usage.isEmpty { lines += "Usage: \(usage)\n" }
    lines += "See 'm2fp \(name.map { $0 + " " } ?? "")--help' for more information."
    for line in lines.split(separator: "\n") {
      Console.writeError("\(own: TerminalText.escaped(PathArgument.bytes(of: String(line))))\n")
    }
    leave(exitCode(for: error))
  }

  /// Says what the parser found wrong, or what it was asked for, and ends the process.
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
    if let command = command as? any ConfigurableCommand {
      Console.choose(command.configuration.color)
    }
    try command.run()
  }

  /// Parses; tells if it is a default that is wrong, or an option that is misspelt.
  private static func parsed(
    _ typed: [String], _ defaults: Defaults
  ) throws -> any ParsableCommand {
    do {
      return try parseAsRoot(defaults.words)
    } catch {
      // The parser tells of what is missing before it tells of what it does not know.
      try checkOptions(typed)
      try checkOutput(typed)
      defaults.announceDistrust(LogFormat.text.logger(.info))
      if defaults.words != typed, (try? parseAsRoot(typed)) != nil {
        let names = defaults.names.joined(separator: ", ")
        Console.writeError("In what sets defaults, \(names):\n")
      }
      throw error
    }
  }

  /// A command line with defaults put in front of its options.
  private struct Defaults {
    private(set) var words: [String]
    private var sources = DefaultSources()
    /// What sets any of them.
    private(set) var names: [String] = []

    init(_ arguments: [String]) throws {
      words = arguments
      guard let name = arguments.first, configurableNames.contains(name) else { return }
      let rest = Array(arguments.dropFirst())
      // Whoever asks for help wants it also where m2fp.toml is broken.
      if rest.prefix(while: { $0 != "--" }).contains(where: { ["-h", "--help"].contains($0) }) {
        return
      }
      guard DefaultSources.mayMatter(to: rest) else { return }
      let options = try OptionCatalog.all.get()
      guard let command = options.command(name) else { return }
      sources = try DefaultSources(for: rest, options: options)
      words = [name] + sources.arguments(for: command, with: rest)
      names = sources.names(for: [command])
    }

    /// Says which file is obeyed, or is not, and what will no longer be understood.
    ///
    /// What the file itself says of messages does not silence this; what is typed does.
    func announce(as command: any ParsableCommand, typed: [String], isOldForm: Bool) {
      guard isOldForm || sources.place != nil || sources.distrust != nil else { return }
      let messages = (command as? ParseCommand)?.messages
      var logger = (messages?.logFormat ?? .text).logger(.info)
      if let messages, let name = typed.first, let options = try? OptionCatalog.all.get(),
        let catalog = options.command(name)
      {
        let isTyped = catalog.options.contains { option in
          ["quiet", "verbose", "log-level"].contains(option.name)
            && typed.prefix { $0 != "--" }.contains { option.isNamed(by: $0) }
        }
        if isTyped { logger.logLevel = messages.logger.logLevel }
      }
      if isOldForm {
        logger.warning(
          "'--export FORMAT PATH' goes with the next version: write --export FORMAT=PATH")
      }
      if let place = sources.place { logger.notice("defaults are those of \(place.path)") }
      announceDistrust(logger)
    }

    func announceDistrust(_ logger: Logger) {
      if let distrust = sources.distrust { logger.warning("\(distrust.text)") }
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

  /// `--output` is what `parse -` writes, and often taken for `--out`.
  private static func checkOutput(_ arguments: [String]) throws {
    let words = arguments.prefix { $0 != "--" }
    guard words.first == "parse", let place = words.firstIndex(of: "--output"),
      place + 1 < words.count, FilterOutput(argument: words[place + 1]) == nil
    else { return }
    let value = words[place + 1]
    throw ValidationError(
      "'m2fp parse -' has no --output '\(value)'; for a folder, did you mean '--out \(value)'?")
  }
}
