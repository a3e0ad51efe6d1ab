import M2FPFiles
import M2FPResults
import SystemPackage
import Testing

@testable import M2FPBatch

struct PathFilterTests {
  private let paths: [FilePath] = ["a.jpg", "b.png", "raw/c.jpg", "raw/old/d.jpg", "new/raw.jpg"]

  private func taken(
    include: [String] = [], exclude: [String] = [], of paths: [FilePath]? = nil
  ) -> [FilePath] {
    let paths = paths ?? self.paths
    let filter = PathFilter(
      include: include.map { Array($0.utf8) }, exclude: exclude.map { Array($0.utf8) })
    return paths.filter { filter.takes($0) }
  }

  @Test func aPatternWithoutASlashIsComparedWithEveryName() {
    #expect(taken(include: ["*.png"]) == ["b.png"])
    #expect(taken(exclude: ["raw"]) == ["a.jpg", "b.png", "new/raw.jpg"])
    #expect(taken(include: ["raw"]) == ["raw/c.jpg", "raw/old/d.jpg"], "all in the folder")
    #expect(taken(include: ["[ab].*"]) == ["a.jpg", "b.png"])
  }

  @Test func aPatternWithASlashIsComparedWithTheRelativePath() {
    #expect(taken(include: ["raw/*.jpg"]) == ["raw/c.jpg", "raw/old/d.jpg"])
    #expect(taken(include: ["/raw"]) == ["raw/c.jpg", "raw/old/d.jpg"])
    #expect(taken(exclude: ["*/old/"]) == ["a.jpg", "b.png", "raw/c.jpg", "new/raw.jpg"])
  }

  /// A slash before a mark that combines with it.
  @Test func issue17PatternsAreBytes() throws {
    let path: FilePath = "raw/\u{301}e.jpg"
    #expect(taken(include: ["raw/\u{301}*"], of: [path]) == [path])
    #expect(taken(exclude: ["/\u{301}*"], of: [path]) == [path])
    let latin1 = try #require(FilePath(bytes: Array("caf".utf8) + [0xE9]))
    #expect(PathFilter(include: [[0x2A, 0xE9]]).takes(latin1))
    #expect(!PathFilter(include: [Array("*é".utf8)]).takes(latin1))
  }

  @Test func excludeOutweighsInclude() {
    #expect(taken(include: ["*.jpg"], exclude: ["raw*"]) == ["a.jpg"])
    #expect(taken() == paths)
  }
}
