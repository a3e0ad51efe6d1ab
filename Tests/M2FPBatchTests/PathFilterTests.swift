import M2FPFiles
import M2FPResults
import SystemPackage
import Testing

@testable import M2FPBatch

struct PathFilterTests {
  private let paths: [FilePath] = ["a.jpg", "b.png", "raw/c.jpg", "raw/old/d.jpg", "new/raw.jpg"]

  private func taken(include: [String] = [], exclude: [String] = []) -> [FilePath] {
    let filter = PathFilter(include: include, exclude: exclude)
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

  @Test func excludeOutweighsInclude() {
    #expect(taken(include: ["*.jpg"], exclude: ["raw*"]) == ["a.jpg"])
    #expect(taken() == paths)
  }
}
