import ArgumentParser
import Foundation
import Testing

@testable import M2FPCommands

struct ConfigurationFileTests {
  private struct Tool: Decodable {
    struct Command: Decodable {
      let commandName: String
      let subcommands: [Command]?
      let arguments: [Argument]?
    }
    struct Argument: Decodable {
      struct Name: Decodable {
        let kind: String
        let name: String
      }
      let names: [Name]?
      let valueName: String?
    }
    let command: Command
  }

  /// Options that take a path, and what they do with it: a new one must be put on one of the lists.
  @Test func issue17EveryOptionThatNamesAFileIsKnownToReadOrToWriteIt() throws {
    let reading: Set<String> = [
      "background", "classes", "files-from", "model", "overlay-font", "palette", "photos",
      "predictions", "remap",
      "truth",
    ]
    let configurable = Set(M2FPCommand.configurableNames)
    let tool = try JSONDecoder().decode(Tool.self, from: Data(M2FPCommand._dumpHelp().utf8))
    let commands = (tool.command.subcommands ?? []).filter { configurable.contains($0.commandName) }
    let naming = commands.flatMap { $0.arguments ?? [] }.filter { argument in
      // Where nothing is declared the option's own name stands for its value.
      let isDeclared = !(argument.names ?? []).contains { $0.name == argument.valueName }
      return isDeclared
        && ["file", "dir", "path"].contains { (argument.valueName ?? "").contains($0) }
    }
    let options = Set(naming.compactMap { $0.names?.first { $0.kind == "long" }?.name })
      .subtracting(["config"])
    #expect(
      options == reading.union(ConfigurationFile.notFromFoundFile).intersection(options),
      "\(options.subtracting(reading).subtracting(ConfigurationFile.notFromFoundFile))")
    let known = commands.flatMap { $0.arguments ?? [] }
      .compactMap { $0.names?.first { $0.kind == "long" }?.name }
    #expect(ConfigurationFile.notFromFoundFile.isSubset(of: known))
  }
}
