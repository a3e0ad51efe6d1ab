import Foundation
import TestSupport
import Testing

@testable import M2FPCommands

struct HelpTopicTests {
  @Test func theReadmeListsTheSameExitCodes() throws {
    let readme = try String(
      contentsOf: Fixtures.package.appendingPathComponent("README.md"), encoding: .utf8)
    let table = try #require(readme.range(of: "| exit code | meaning |\n|---|---|\n"))
    let rows = readme[table.upperBound...].split(
      separator: "\n", omittingEmptySubsequences: false
    ).prefix { $0.hasPrefix("|") }
    let listed = rows.compactMap { $0.split(separator: "|").first }.map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    let known = HelpTopic.exitCodes.blocks.flatMap { block -> [String] in
      if case .list(let rows) = block { rows.map(\.term) } else { [] }
    }
    #expect(listed == known)
  }
}
