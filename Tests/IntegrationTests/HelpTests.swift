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

  @Test func bashCompletesTopics() async throws {
    let words = try await shell(
      """
      "$M2FP" --generate-completion-script bash >completions
      exec bash -c '. ./completions; cur=ex; COMPREPLY=(); _m2fp_help; echo "${COMPREPLY[@]}"'
      """)
    #expect(words.output == "exit-codes\n", "\(words.error)")
  }

  /// By man-db, which finds pages, and by mandoc, which knows every rule.
  @Test func everyPageOfTheManualIsWellFormed() async throws {
    let names = try await run("help", "--manual")
    #expect(names.code == 0 && names.output.contains("m2fp-parse\n"))
    for name in names.output.split(separator: "\n") {
      try folder.write("\(name).1", try await run("help", "--manual", String(name)).output.utf8)
      let parsed = try await shell("lexgrog \(name).1 && mandoc -T lint -W warning \(name).1")
      #expect(parsed.code == 0, "\(parsed.output)\(parsed.error)")
    }
  }

  @Test func theVersionTellsWhatDecidesTheResults() async throws {
    for option in ["--version", "-V"] {
      let result = try await run(option)
      let lines = result.output.split(separator: "\n")
      #expect(result.code == 0 && lines.count == 3)
      #expect(lines.first?.hasPrefix("m2fp \(Version.current)") == true)
      #expect(result.output.contains("libtorch 1.") && result.output.contains("sha256 "))
    }
  }

  @Test(arguments: [
    (["parse", "in", "--outdir", "x"], "did you mean '--out'?", "Usage: m2fp parse"),
    (["eval", "--predictons", "x"], "did you mean '--predictions'?", "Usage: m2fp eval"),
    (["pase"], "did you mean 'm2fp parse'?", "See 'm2fp --help'"),
  ]) func aMistakeShowsTheUsageOfTheCommand(
    arguments: [String], hint: String, usage: String
  ) async throws {
    let result = try await run(arguments)
    #expect(result.code == 64)
    #expect(result.error.contains(hint) && result.error.contains(usage), "\(result.error)")
  }
}
