import ArgumentParser
import M2FPCore

/// What is worth knowing beyond single commands: `m2fp help outputs`. The manual has the same texts
/// as sections.
struct HelpTopic {
  enum Block {
    case paragraph(String)
    /// Terms with their meaning.
    case list([(term: String, meaning: String)])
    /// Lines to be left as they are.
    case lines(String)
  }

  let name: String
  let abstract: String
  let blocks: [Block]

  static let all = [outputs, models, environment, files, exitCodes]

  /// The title of its section in the manual, where that is not its name.
  var manualTitle: String?

  /// Whether every page of the manual has it, as manuals go, and not that of m2fp alone.
  var isForEveryPage = false

  /// The topic that a command line asks for; nil if it asks for something else.
  ///
  /// - Throws: `ValidationError` with the nearest name if it asks for what there is not.
  init?(_ arguments: [String]) throws {
    guard arguments.count == 2, arguments[0] == "help", !arguments[1].hasPrefix("-") else {
      return nil
    }
    let name = arguments[1]
    if let topic = Self.all.first(where: { $0.name == name }) {
      self = topic
      return
    }
    let commands = M2FPCommand.commandNames
    if commands.contains(name) { return nil }
    let names = Set(commands + Self.all.map(\.name)).sorted()
    let hint =
      SpellingSuggestion.nearest(to: name, in: names).map { "; did you mean '\($0)'?" }
      ?? ": there is \(names.joined(separator: ", "))."
    throw ValidationError("no command or topic is named '\(name)'\(hint)")
  }

  init(
    name: String, abstract: String, manualTitle: String? = nil, isForEveryPage: Bool = false,
    blocks: [Block]
  ) {
    self.name = name
    self.manualTitle = manualTitle
    self.isForEveryPage = isForEveryPage
    self.abstract = abstract
    self.blocks = blocks
  }

  /// For a terminal of 80 columns.
  var text: String {
    var parts = [abstract]
    for block in blocks {
      switch block {
      case .paragraph(let text): parts.append(Self.wrapped(text, indent: 0))
      case .lines(let text):
        parts.append(text.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n"))
      case .list(let rows):
        let width = min(24, rows.map(\.term.count).max() ?? 0) + 2
        parts.append(
          rows.map { row in
            let meaning = Self.wrapped(row.meaning, indent: width + 2)
            if row.term.count + 2 > width {
              return "  \(row.term)\n" + String(repeating: " ", count: width + 2) + meaning
            }
            return "  " + row.term + String(repeating: " ", count: width - row.term.count) + meaning
          }.joined(separator: "\n"))
      }
    }
    return parts.joined(separator: "\n\n")
  }

  /// A section of a ``ManualPage``.
  var manualSection: String {
    let escaped = ManualPage.escaped
    var lines = [".Sh \((manualTitle ?? name).uppercased())", escaped(abstract)]
    for block in blocks {
      switch block {
      case .paragraph(let text): lines += [".Pp", escaped(text)]
      case .lines(let text):
        lines += [".Bd -literal -offset indent"]
        lines += text.split(separator: "\n").map(ManualPage.escapedLine)
        lines += [".Ed"]
      case .list(let rows):
        lines.append(".Bl -tag -width 6n")
        for row in rows {
          lines += [".It " + ManualPage.escapedLine(row.term), escaped(row.meaning)]
        }
        lines.append(".El")
      }
    }
    return lines.joined(separator: "\n")
  }

  /// Breaks lines at blanks; all but the first are indented.
  private static func wrapped(_ text: String, indent: Int) -> String {
    var lines: [String] = []
    for word in text.split(separator: " ") {
      if let last = lines.last, indent + last.count + 1 + word.count <= 79 {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
  }
}
