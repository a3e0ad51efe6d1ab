import M2FPCore
import Testing

@testable import M2FPCommands

struct OptionCatalogTests {
  @Test func theCommandsAreThoseThatAreDeclared() throws {
    let catalog = try OptionCatalog.all.get()
    // The parser adds its own.
    #expect(catalog.commands.map(\.name) == M2FPCommand.commandNames + ["help"])
    #expect(catalog.withDefaults.map(\.name) == M2FPCommand.configurableNames)
  }

  /// Another version of the parser may say it in another way: that is told, and ends nothing else.
  @Test(arguments: ["", "{}", #"{"command":{"name":"m2fp"}}"#, #"{"serializationVersion":9}"#])
  func anUnknownDescriptionIsAFailureAndNoTrap(_ description: String) {
    let failure = #expect(throws: RunFailure.self) { try CommandDescription(json: description) }
    #expect(failure?.kind == .internal)
  }

  @Test func aDefaultIsWhatTheHelpSays() throws {
    let parse = try #require(try OptionCatalog.all.get().command("parse"))
    #expect(
      parse.option("jobs")?.statedDefault == "one for each CPU that the process may use")
    #expect(parse.option("overlay-format")?.statedDefault == "jpg")
    #expect(parse.option("out")?.statedDefault == nil)
  }

  /// A new option that decides whom to trust, or where to listen, is none for a file that is merely found.
  @Test func issue17WhatToTrustIsNotSaidByAFileThatIsFound() throws {
    let names = try OptionCatalog.all.get().withDefaults.flatMap { $0.options.map(\.name) }
    let trusting = Set(names).filter { name in
      ["trust", "token", "listen", "origin", "failed-to", "metrics"].contains { name.contains($0) }
    }
    #expect(trusting.count >= 8)
    // Whether metrics are served is no matter of trust.
    #expect(trusting.subtracting(ConfigurationFile.notFromFoundFile) == ["no-metrics"])
  }

  /// Without these nothing is written, read or cut out; all others say what holds then.
  @Test func whatHasADefaultSaysSo() throws {
    let silent = try OptionCatalog.all.get().withDefaults.flatMap { command in
      command.options.filter { $0.defaultValue == nil && $0.statedDefault == nil }
        .map { "\(command.name) \($0.name)" }
    }
    let ofParse = [
      "files-from", "out", "blur", "pixelate", "cutout", "export", "sheet", "failed-to",
    ]
    let ofRender = ["blur", "pixelate", "cutout", "export", "sheet"]
    #expect(
      Set(silent)
        == Set(
          ofParse.flatMap { ["parse " + $0, "watch " + $0] } + ofRender.map { "render " + $0 }
            + ["eval predictions", "eval truth", "eval plot"]))
  }
}
