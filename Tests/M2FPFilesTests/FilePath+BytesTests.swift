import M2FPFiles
import SystemPackage
import Testing

struct FilePathBytesTests {
  @Test(
    arguments: [
      ("/a/b/c", "/a", "b/c"), ("/a/b", "/a/b", ""), ("/a/b", "/", "a/b"), ("a/b", "a", "b"),
      ("./a", ".", "a"), ("/", "/", ""),
    ] as [(FilePath, FilePath, FilePath)])
  func whatIsBelowAFolder(_ path: FilePath, _ folder: FilePath, _ below: FilePath) {
    #expect(path.below(folder) == below)
  }

  @Test(
    arguments: [("/ab/c", "/a"), ("/a", "/a/b"), ("a", "."), ("a", "/"), ("a", ""), ("/a", "")]
      as [(FilePath, FilePath)])
  func whatIsNot(_ path: FilePath, _ folder: FilePath) {
    #expect(path.below(folder) == nil)
  }

  @Test func issue17NamesThatTextsTakeForOneAreTwo() throws {
    let composed = try #require(FilePath(bytes: Array("/Jos\u{E9}/a".utf8)))
    let decomposed = try #require(FilePath(bytes: Array("/Jose\u{301}".utf8)))
    #expect(composed.below(decomposed) == nil)
  }
}
