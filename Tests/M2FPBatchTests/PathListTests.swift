import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct PathListTests {
  private func entries(_ text: String, zeroTerminated: Bool = false) -> [[String]] {
    PathList(Array(text.utf8), zeroTerminated: zeroTerminated).entries.map {
      [$0.path?.string ?? "", $0.relativePath.string]
    }
  }

  @Test func linesOrZeroBytesEndPaths() {
    #expect(entries("a.jpg\n\nb c.jpg\n") == [["a.jpg", "a.jpg"], ["b c.jpg", "b c.jpg"]])
    #expect(
      entries("a\nb.jpg\0c.jpg", zeroTerminated: true).map { $0[0] } == ["a\nb.jpg", "c.jpg"])
    #expect(entries("").isEmpty)
  }

  @Test func aDotBetweenSlashesMarksTheRelativePart() {
    #expect(entries("photos/./a/b.jpg") == [["photos/a/b.jpg", "a/b.jpg"]])
    #expect(entries("/photos/./b.jpg") == [["/photos/b.jpg", "b.jpg"]])
    #expect(entries("x/./y/./b.jpg") == [["x/./y/b.jpg", "b.jpg"]])
    #expect(entries("photos/.") == [["photos", ""]], "as find writes the folder itself")
  }

  @Test func withoutTheMarkTheWholePathIsRelative() {
    #expect(entries("./a/b.jpg") == [["./a/b.jpg", "a/b.jpg"]])
    #expect(entries("/a//b.jpg") == [["/a/b.jpg", "a/b.jpg"]])
    #expect(
      entries("../a/../../b.jpg") == [["../a/../../b.jpg", "b.jpg"]],
      "never above the folder of all outputs")
  }

  @Test(
    arguments: [
      ("photos/a/b.jpg", "a/b.jpg"), ("a.jpg", "a.jpg"), ("./a.jpg", "a.jpg"), ("/a.jpg", "a.jpg"),
      ("/x/y/a\nb.jpg", "a\nb.jpg"), ("photos", ""), ("photos/sub", "sub"),
    ])
  func aFailureComesBackAsItWas(_ path: String, _ relative: String) {
    let bytes = PathList.bytes(of: Input(path: FilePath(path), relativePath: FilePath(relative)))
    let entries = PathList(bytes + [0], zeroTerminated: true).entries
    #expect(
      entries.map(\.path) == [FilePath(path)] && entries.map(\.relativePath) == [FilePath(relative)]
    )
  }

  /// A list whose paths lead up again below the mark: with the failures of a run they stay below --out.
  @Test(arguments: [
    "photos/./sub/../a.jpg", "x/./photos/./sub/../a.jpg", "/./sub/../a.jpg", "././sub/../a.jpg",
  ])
  func issue17AFailureBelowAFolderAndUpAgainComesBackAsItWas(_ line: String) throws {
    let entry = try #require(PathList(Array(line.utf8), zeroTerminated: false).entries.first)
    let path = try #require(entry.path)
    #expect(entry.relativePath == "a.jpg")
    let written = PathList.bytes(
      of: Input(path: path, relativePath: entry.relativePath, root: entry.root))
    let again = PathList(written, zeroTerminated: false).entries
    #expect(again.map(\.path) == [path] && again.map(\.relativePath) == ["a.jpg"])
  }

  @Test func bytesThatAreNotUTF8ComeBackAsTheyWere() throws {
    let bytes: [UInt8] = Array("photos/".utf8) + [0xFF, 0x2E, 0x6A, 0x70, 0x67]
    let entry = try #require(PathList(bytes, zeroTerminated: false).entries.first)
    let path = try #require(entry.path)
    #expect(path.bytes == bytes)
    #expect(PathList.bytes(of: Input(path: path, relativePath: entry.relativePath)) == bytes)
  }

  /// `-0` was forgotten: C would have cut the path at its first zero byte.
  @Test func issue17AZeroByteInALineIsNoPath() throws {
    let entries = PathList(Array("a.jpg\0b.jpg\0".utf8), zeroTerminated: false).entries
    #expect(entries.map(\.path) == [nil])
    let inputs = InputDiscovery.inputs(under: [], listed: entries, recursive: true)
    #expect(inputs.map(\.failure?.code) == [.unreadable])
  }

  /// A byte order mark, lines as Windows ends them, a comment: each is told where nothing is found.
  @Test func issue17WhatOtherListsHaveIsTold() throws {
    let list = PathList(
      Array("\u{FEFF}a.jpg\r\nb.jpg\r\n# photos\nc.jpg".utf8), zeroTerminated: false)
    let inputs = InputDiscovery.inputs(under: [], listed: list.entries, recursive: true)
    let messages = inputs.map { $0.failure?.message ?? "" }
    #expect(inputs.count == 4 && inputs.allSatisfy { $0.failure?.code == .missing })
    for (message, word) in zip(messages, ["byte order mark", "carriage return", "no comments"]) {
      #expect(message.contains(word), "\(message)")
    }
    #expect(messages[3] == "no such file or folder")
    // They may be in names, and then are.
    let folder = try TemporaryFolder()
    for name in ["a.jpg\r", "#b.jpg"] { try folder.write(name, [1]) }
    let there = PathList(
      Array("\(folder.path)/a.jpg\r\n\(folder.path)/#b.jpg".utf8), zeroTerminated: false)
    #expect(
      InputDiscovery.inputs(under: [], listed: there.entries, recursive: true)
        .allSatisfy { $0.failure == nil })
  }

  @Test func aListIsReplacedAndALineFeedIsTold() throws {
    let folder = try TemporaryFolder()
    try folder.write("real", [9, 9, 9])
    try folder.link("list", to: "real")
    var list = try FailureList(folder.filePath("list"), zeroTerminated: false)
    list.add(Input(path: "in/a.jpg", relativePath: "a.jpg"))
    list.add(Input(path: "in/b\n.jpg", relativePath: "b\n.jpg"))
    #expect(try list.write() == ["in/./b\n.jpg"])
    #expect(try folder.tree()["real"] == Data("in/./a.jpg\n".utf8), "through the link")
  }

  @Test func aListThatCannotBeWrittenIsKnownBeforeTheRun() {
    #expect(throws: RunFailure.self) { try FailureList("/proc/none/list", zeroTerminated: true) }
  }

  /// A folder, what lies below a file, and a link to nothing, which is a place for a list.
  @Test func issue17WhatIsNoPlaceForAListIsKnownBeforeTheRun() throws {
    let folder = try TemporaryFolder()
    try folder.write("sub/file", [1])
    try folder.link("to-folder", to: "sub")
    for name in ["sub", "to-folder", "sub/file/list"] {
      let failure = #expect(throws: RunFailure.self) {
        try FailureList(folder.filePath(name), zeroTerminated: false)
      }
      #expect(failure?.kind == .outputNotWritable, "\(name)")
    }
    try folder.link("list", to: "none")
    var list = try FailureList(folder.filePath("list"), zeroTerminated: false)
    list.add(Input(path: "a.jpg", relativePath: "a.jpg"))
    #expect(try list.write().isEmpty && folder.text("list") == "a.jpg\n")
  }

  /// In a folder where others write, too.
  @Test(.timeLimit(.minutes(5))) func issue17ALinkOfAnotherIsNotWrittenThrough() throws {
    let folder = try TemporaryFolder()
    try folder.write("victim", "mine".utf8)
    try folder.link("list", to: "victim")
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    if geteuid() == 0 {
      #expect(lchown(folder.path("list"), 65534, 65534) == 0)
      var list = try FailureList(folder.filePath("list"), zeroTerminated: false)
      list.add(Input(path: "a.jpg", relativePath: "a.jpg"))
      #expect(try list.write().isEmpty)
      #expect(try folder.text("victim") == "mine" && folder.text("list") == "a.jpg\n")
    }
    // Nobody reads from it.
    let list = try FailureList(folder.filePath("pipe"), zeroTerminated: false)
    #expect(throws: RunFailure.self) { try list.write() }
  }

  @Test func aDeviceIsWrittenToAndNotReplaced() throws {
    #expect(try FailureList("/dev/null", zeroTerminated: false).write().isEmpty)
    var status = stat()
    #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    var list = try FailureList("/dev/full", zeroTerminated: false)
    list.add(Input(path: "a", relativePath: "a"))
    let failure = #expect(throws: RunFailure.self) { try list.write() }
    #expect(failure?.underlying == .noSpace)
  }
}
