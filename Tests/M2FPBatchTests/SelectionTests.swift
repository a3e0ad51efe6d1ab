import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct SelectionTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for name in ["in/a.jpg", "in/a.png", "in/sub/b.jpg", "in/sub/c.png", "in/sub/c.m2fp.png"] {
      try folder.write(name, [1])
    }
  }

  private func selection(list: String) -> Selection {
    var selection = Selection(paths: [])
    selection.list = PathList(
      Array(list.replacing("IN", with: folder.path + "/in").utf8), zeroTerminated: false)
    return selection
  }

  @Test func aListKeepsTheTreeBelowTheMark() throws {
    let files = try selection(list: "IN/./sub/b.jpg\nIN/sub/c.png").plan(out: "out", naming: .stem)
    #expect(
      files.map(\.outputs.mapPath.string)
        == ["out/sub/b.m2fp.png", "out\(folder.path)/in/sub/c.m2fp.png"])
  }

  @Test func whatAListNamesInVainIsAFailure() throws {
    let files = try selection(list: "IN/./none.jpg\nIN/./a.jpg").plan(out: nil, naming: .stem)
    #expect(files.map(\.input.failure?.code) == [.missing, nil])
    #expect(try selection(list: "IN/none.jpg").plan(out: nil, naming: .stem).count == 1)
    #expect(
      try selection(list: "").plan(out: nil, naming: .stem).isEmpty, "nothing to do is no error")
  }

  @Test func foldersOfAListAreSearchedAndOutputsAreLeftOut() throws {
    let files = try selection(list: "IN/./sub\nIN/./sub/b.jpg\nIN/sub/c.m2fp.png").plan(
      out: "out", naming: .stem)
    #expect(files.map(\.input.relativePath) == ["sub/b.jpg", "sub/c.png"])
  }

  @Test func patternsApplyToFoldersAndLists() throws {
    var selection = Selection(paths: [folder.filePath("in")])
    selection.filter = PathFilter(include: [Array("*.jpg".utf8)], exclude: [Array("sub".utf8)])
    #expect(try selection.plan(out: nil, naming: .stem).map(\.input.relativePath) == ["a.jpg"])
    var listed = self.selection(list: "IN/./sub/c.png\nIN/./sub/b.jpg")
    listed.filter = PathFilter(include: [Array("*.jpg".utf8)])
    #expect(try listed.plan(out: nil, naming: .stem).map(\.input.relativePath) == ["sub/b.jpg"])
    selection.filter = PathFilter(include: [Array("*.gif".utf8)])
    let failure = #expect(throws: RunFailure.self) { try selection.plan(out: nil, naming: .stem) }
    #expect(failure?.kind == .noInput && failure?.detail == .nothingSelected)
  }

  @Test func shardsAreDisjointAndTheirUnionIsTheWhole() throws {
    for index in 0..<50 { try folder.write("in/\(index % 5)/\(index).jpg", [1]) }
    var selection = Selection(paths: [folder.filePath("in")])
    let whole = try selection.plan(out: nil, naming: .stem)
    var union: [FilePath] = []
    for index in 1...3 {
      selection.shard = Shard(index, of: 3)
      let part = try selection.plan(out: nil, naming: .stem)
      #expect(!part.isEmpty)
      union += part.map(\.input.path)
    }
    #expect(union.count == whole.count && Set(union) == Set(whole.map(\.input.path)))
  }

  @Test func issue19ShardsCountWhatIsLeftOutOnce() throws {
    for index in 0..<40 { try folder.write("in/\(index).mp4", [1]) }
    var selection = Selection(paths: [folder.filePath("in")])
    var counts: [Int] = []
    for index in 1...3 {
      selection.shard = Shard(index, of: 3)
      var count = 0
      _ = try selection.plan(out: nil, naming: .stem) { _ in count += 1 }
      counts.append(count)
    }
    #expect(counts.reduce(0, +) == 40 && counts.allSatisfy { $0 > 0 }, "\(counts)")
  }

  @Test func issue19WhatTheRunWritesIsNotLeftOut() throws {
    for name in ["sheet.html", "lip/a.txt", "other.html"] { try folder.write("in/" + name, [1]) }
    var selection = Selection(paths: [folder.filePath("in")])
    selection.written = [folder.filePath("in/./sheet.html"), folder.filePath("in/lip")]
    var leftOut: [FilePath] = []
    _ = try selection.plan(out: nil, naming: .stem) { leftOut.append($0.path) }
    #expect(leftOut == [folder.filePath("in/other.html")])
  }

  /// `a.jpg` and `a.png` claim the same outputs: whichever shard has the second must know.
  @Test func shardsAgreeOnCollisions() throws {
    var selection = Selection(paths: [folder.filePath("in")])
    var codes: [FilePath: FileFailure.Code] = [:]
    for index in 1...4 {
      selection.shard = Shard(index, of: 4)
      for file in try selection.plan(out: nil, naming: .stem) {
        codes[file.input.relativePath] = file.input.failure?.code
      }
    }
    #expect(codes == ["a.png": .outputCollision])
  }
}
