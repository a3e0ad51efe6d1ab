import M2FPCore
import Testing

@testable import M2FPCommands

struct ManualPageTests {
  @Test func thereIsAPageForEachCommand() throws {
    #expect(
      try ManualPage.all().map(\.name) == ["m2fp"] + M2FPCommand.commandNames.map { "m2fp-" + $0 })
  }

  @Test func everyPageHasWhatManualsHave() throws {
    for page in try ManualPage.all() {
      let sections = page.text.split(separator: "\n").filter { $0.hasPrefix(".Sh ") }
      for section in [
        "NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "FILES", "ENVIRONMENT", "EXIT STATUS",
        "SEE ALSO",
      ] {
        #expect(sections.count { $0 == ".Sh " + section } == 1, "\(page.name): \(section)")
      }
    }
  }

  @Test func everyOptionIsThereWithItsDefault() throws {
    let page = try #require(try ManualPage.all().first { $0.name == "m2fp-parse" })
    for option in try #require(try OptionCatalog.all.get().command("parse")).options {
      let name = ManualPage.escaped("-" + option.name)
      #expect(page.text.contains("Fl " + name), "\(option.name)")
    }
    #expect(page.text.contains(".It Fl o , Fl \\-out Ar dir"))
    #expect(page.text.contains("Default: 800."))
  }

  /// No line of a text is taken for a macro, and no hyphen for a dash.
  @Test func whatTheFormatterWouldReadIsEscaped() {
    #expect(ManualPage.escaped(".m2fp.lock") == "\\&.m2fp.lock")
    #expect(ManualPage.escaped("'m2fp doctor' \\n --out") == "\\&'m2fp doctor' \\en \\-\\-out")
  }
}
