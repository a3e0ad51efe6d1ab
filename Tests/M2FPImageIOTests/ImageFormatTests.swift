import Foundation
import M2FPImageIO
import TestSupport
import Testing

struct ImageFormatTests {
  /// Its list is written by hand: pre-commit has no types for some of the formats.
  @Test func thePreCommitHookTakesEveryPhotoThatIsRead() throws {
    let recipe = Fixtures.package.appendingPathComponent("Examples/recipes/pre-commit-config.yaml")
    let lines = try String(contentsOf: recipe, encoding: .utf8).split(separator: "\n")
    let files = lines.compactMap { $0.firstMatch(of: /^ +files: (.+)$/)?.1 }
    let pattern = try Regex(String(try #require(files.first)))
    for suffix in ImageFormat.fileExtensions {
      #expect("photos/a.\(suffix)".contains(pattern), "\(suffix)")
      #expect("photos/A.\(suffix.uppercased())".contains(pattern), "\(suffix)")
    }
    #expect(!"photos/a.txt".contains(pattern) && !"photos/jpg".contains(pattern))
  }
}
