import ArgumentParser
import M2FPCore

/// A page of the manual (mdoc, as BSD's and groff's man read it): what the help says, in the order that
/// manuals have.
struct ManualPage {
  /// `m2fp` or `m2fp-parse`.
  let name: String
  private let type: any ParsableCommand.Type
  private let description: CommandDescription
  private let others: [String]

  /// One for m2fp, one for each command.
  ///
  /// - Throws: ``RunFailure`` where the argument parser does not describe itself as expected.
  static func all() throws(RunFailure) -> [ManualPage] {
    let root = try CommandDescription.root.get()
    let commands = (root.subcommands ?? []).compactMap { description in
      M2FPCommand.command(description.commandName).map { ($0, description) }
    }
    let names = ["m2fp"] + commands.map { "m2fp-" + $0.1.commandName }
    let pages = [(M2FPCommand.self as any ParsableCommand.Type, root)] + commands
    return zip(names, pages).map { name, page in
      ManualPage(
        name: name, type: page.0, description: page.1, others: names.filter { $0 != name })
    }
  }

  private var isRoot: Bool { name == "m2fp" }

  var text: String {
    var lines = [
      ".Dd \(Version.released)", ".Dt \(name.uppercased()) 1", ".Os m2fp \(Version.current)",
      ".Sh NAME", ".Nm \(name)",
      ".Nd \(Self.escaped(Self.withoutStop(description.abstract ?? "")))",
      ".Sh SYNOPSIS",
    ]
    lines += synopsis
    lines.append(".Sh DESCRIPTION")
    lines += Self.paragraphs(description.abstract ?? "")
    if let explained = type as? any ExplainedCommand.Type, !explained.explanation.isEmpty {
      lines.append(".Pp")
      lines += Self.paragraphs(explained.explanation)
    }
    lines += options(of: description, under: [".Sh OPTIONS"])
    lines += commands
    let topics = isRoot ? HelpTopic.all : HelpTopic.all.filter(\.isForEveryPage)
    lines += topics.map(\.manualSection)
    if let explained = type as? any ExplainedCommand.Type {
      lines.append(".Sh EXAMPLES")
      lines.append(".Bl -tag -width 6n")
      for example in explained.examples {
        lines += [".It Li " + Self.quoted(example.command), Self.escaped(example.meaning)]
      }
      lines.append(".El")
    }
    lines.append(".Sh SEE ALSO")
    lines += others.sorted().enumerated().map { index, page in
      ".Xr \(page) 1" + (index + 1 < others.count ? " ," : "")
    }
    return lines.joined(separator: "\n")
  }

  private var synopsis: [String] {
    let words = name.replacing("-", with: " ")
    if isRoot {
      return [".Nm m2fp", "command", ".Op options", ".Ar ..."]
    }
    let nested = type.configuration.subcommands.map { $0._commandName }
    if !nested.isEmpty {
      return nested.flatMap { subcommand in
        [".Nm \"\(words) \(subcommand)\"", ".Op options"]
      }
    }
    let positional = (description.arguments ?? []).filter(\.isPositional).map { argument in
      let value =
        ".Ar " + Self.escaped(argument.valueName ?? "") + (argument.isRepeating ? " ..." : "")
      return argument.isOptional ? value.replacing(".Ar", with: ".Op Ar") : value
    }
    return [".Nm \"\(words)\"", ".Op options"] + positional
  }

  /// The commands of m2fp, each with its page; those of a command, each with its options.
  private var commands: [String] {
    let known = type.configuration.subcommands.map { $0._commandName }
    let nested = (description.subcommands ?? []).filter { known.contains($0.commandName) }
    guard !nested.isEmpty else { return [] }
    var lines = [".Sh COMMANDS"]
    if isRoot {
      lines.append(".Bl -tag -width 6n")
      for command in nested {
        lines += [
          ".It Xr m2fp-\(command.commandName) 1", Self.escaped(command.abstract ?? ""),
        ]
      }
      return lines + [".El"]
    }
    for command in nested {
      lines += [".Ss \(command.commandName)"]
      lines += Self.paragraphs(command.abstract ?? "")
      lines += options(of: command)
    }
    return lines
  }

  private func options(
    of command: CommandDescription, under heading: [String] = []
  ) -> [String] {
    let arguments = (command.arguments ?? []).filter { $0.shouldDisplay && $0.longName != "help" }
    guard !arguments.isEmpty else { return [] }
    var lines = heading
    // As in the help: what stands under no title comes last.
    var titles: [String] = []
    for title in arguments.map({ $0.sectionTitle ?? "" }) where !titles.contains(title) {
      titles.append(title)
    }
    titles = titles.filter { !$0.isEmpty } + titles.filter(\.isEmpty)
    for title in titles {
      if titles.count > 1 { lines.append(".Ss " + (title.isEmpty ? "Other options" : title)) }
      lines.append(".Bl -tag -width 6n")
      for argument in arguments where (argument.sectionTitle ?? "") == title {
        lines += [".It " + Self.label(argument), Self.escaped(Self.explanation(of: argument))]
      }
      lines.append(".El")
    }
    return lines
  }

  private static func label(_ argument: CommandDescription.Argument) -> String {
    let value = argument.valueName.map { "Ar " + escaped($0) } ?? ""
    if argument.isPositional { return value }
    let names = argument.spellings.map { "Fl " + escaped(String($0.dropFirst())) }
      .joined(separator: " , ")
    return argument.isFlag ? names : names + " " + value
  }

  /// The help's words, with the default where they do not say it.
  private static func explanation(of argument: CommandDescription.Argument) -> String {
    let abstract = argument.abstract ?? ""
    guard let value = argument.defaultValue, !argument.isFlag, !abstract.contains("Default: ")
    else {
      return abstract
    }
    return abstract + " Default: " + value + "."
  }

  /// Blank lines part paragraphs; lines that begin with two blanks are left as they are.
  private static func paragraphs(_ text: String) -> [String] {
    var lines: [String] = []
    var isLiteral = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix("  ") != isLiteral, !line.isEmpty {
        // What is left as it is stands apart anyhow.
        if lines.last == ".Pp" { lines.removeLast() }
        lines.append(isLiteral ? ".Ed" : ".Bd -literal")
        isLiteral.toggle()
      }
      switch (line.isEmpty, isLiteral) {
      case (true, false): lines.append(".Pp")
      case (_, true): lines.append(escapedLine(line))
      case (false, false): lines.append(escaped(String(line)))
      }
    }
    if isLiteral { lines.append(".Ed") }
    return lines
  }

  private static func withoutStop(_ text: String) -> String {
    text.hasSuffix(".") ? String(text.dropLast()) : text
  }

  /// An argument of a macro that holds blanks.
  private static func quoted(_ text: String) -> String {
    "\"" + escapedLine(text).replacing("\"", with: "\"\"") + "\""
  }

  /// The text with what the formatter would take for a command made harmless; each sentence on a line,
  /// so that the formatter knows where it ends.
  static func escaped(_ text: String) -> String {
    text.replacing(". ", with: ".\n").split(separator: "\n").map(escapedLine)
      .joined(separator: "\n")
  }

  static func escapedLine(_ line: some StringProtocol) -> String {
    let text = String(line).replacing("\\", with: "\\e").replacing("-", with: "\\-")
    return text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" + text : text
  }
}
