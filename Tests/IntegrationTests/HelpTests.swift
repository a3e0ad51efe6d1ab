import TestSupport
import Testing

@testable import M2FPCommands

struct HelpTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func topicsAreTexts() async throws {
    for topic in HelpTopic.all {
      let result = try await run("help", topic.name)
      #expect(result.code == 0 && result.output.hasPrefix(topic.abstract))
      #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
    #expect(try await run("help", "parse").output.contains("USAGE: m2fp parse"))
  }

  @Test func everyShellGetsCompletions() async throws {
    for shell in ["bash", "zsh", "fish"] {
      let result = try await run("--generate-completion-script", shell)
      #expect(result.code == 0 && result.output.contains("max-side"))
    }
  }
}
