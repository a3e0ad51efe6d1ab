import ArgumentParser
import M2FPCore
import Testing

@testable import M2FPCommands

struct ExampleTests {
  /// All commands, and m2fp itself.
  private static var commands: [any ExplainedCommand.Type] {
    get throws {
      let types = M2FPCommand.configuration.subcommands.compactMap {
        $0 as? any ExplainedCommand.Type
      }
      #expect(types.count == M2FPCommand.configuration.subcommands.count)
      return [M2FPCommand.self] + types
    }
  }

  @Test func everyCommandBeginsWithExamplesThatFitTheTerminal() throws {
    for type in try Self.commands {
      #expect(!type.examples.isEmpty && type.discussion.hasPrefix("Examples:\n"))
      let lines = Example.text(type.examples).split(separator: "\n")
      #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines)")
    }
  }

  @Test func everyExampleIsACommandLineThatIsUnderstood() throws {
    for example in try Self.commands.flatMap({ $0.examples }) {
      // Without what is the shell's: variables in front, redirections behind.
      let words = example.command.split(separator: " ").map(String.init)
      let start = try #require(words.firstIndex(of: "m2fp"), "\(example.command)")
      let arguments = words[(start + 1)...].filter { !$0.hasPrefix(">") && !$0.hasPrefix("<") }
      if arguments.contains("--help") { continue }
      #expect(throws: Never.self, "\(example.command)") {
        _ = try M2FPCommand.parseAsRoot(M2FPCommand.joiningPairs(arguments))
      }
    }
  }
}
