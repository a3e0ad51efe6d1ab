import ArgumentParser

/// A command line and what it does.
struct Example {
  let command: String
  let meaning: String

  init(_ command: String, _ meaning: String) {
    self.command = command
    self.meaning = meaning
  }

  /// A line for each, for a terminal of 80 columns.
  static func text(_ examples: [Example]) -> String {
    let width = examples.map(\.command.count).max() ?? 0
    return examples.map { example in
      "  " + example.command
        + String(repeating: " ", count: width - example.command.count + 2) + example.meaning
    }.joined(separator: "\n")
  }
}

/// A command whose help begins with examples, and whose manual page has a section of them.
protocol ExplainedCommand: ParsableCommand {
  static var examples: [Example] { get }
  /// What the help says besides; lines that begin with two blanks are left as they are.
  static var explanation: String { get }
}

extension ExplainedCommand {
  /// The examples, then the explanation.
  static var discussion: String {
    "Examples:\n" + Example.text(examples) + (explanation.isEmpty ? "" : "\n\n" + explanation)
  }
}
