import Foundation
import M2FPCore
import SystemPackage
import TestSupport
import Testing

@testable import M2FPFiles

struct LinkRuleTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("shared/sub/file", "inside".utf8)
    try folder.write("private/file", "secret".utf8)
  }

  private func text(_ name: String, _ policy: LinkPolicy) throws(Errno) -> String {
    let rule = LinkRule(below: folder.filePath("shared"), policy)
    let file = Descriptor(try rule.open(folder.filePath("shared/" + name), O_RDONLY))
    return String(decoding: try FileReader.readToEnd(file.file, limit: 1 << 10), as: UTF8.self)
  }

  private func plant(_ name: String, to destination: String) throws {
    try folder.link("shared/" + name, to: destination)
    try #require(lchown(folder.path("shared/" + name), 65534, 65534) == 0)
  }

  @Test(arguments: LinkPolicy.allCases)
  func issue17WhatIsNoLinkIsOpened(_ policy: LinkPolicy) throws {
    #expect(try text("sub/file", policy) == "inside")
    #expect(try text("./sub/.//file", policy) == "inside")
    #expect(try text("sub/../sub/file", policy) == "inside")
    #expect(throws: Errno.noSuchFileOrDirectory) { try text("sub/none", policy) }
    #expect(throws: Errno.notDirectory) { try text("sub/file/more", policy) }
  }

  /// To a file, to a folder, absolute, relative, over another link, and in a loop.
  @Test func issue17OwnLinksAreFollowed() throws {
    try folder.link("shared/a", to: "../private/file")
    try folder.link("shared/b", to: folder.path("private"))
    try folder.link("shared/c", to: "b")
    try folder.link("shared/loop", to: "loop")
    for name in ["a", "b/file", "c/file", "sub/../c/./file"] {
      #expect(try text(name, .own) == "secret" && text(name, .follow) == "secret")
      #expect(throws: Errno.tooManySymbolicLinkLevels) { try text(name, .none) }
    }
    #expect(throws: Errno.tooManySymbolicLinkLevels) { try text("loop", .own) }
    let rule = LinkRule(below: folder.filePath("shared"), .own)
    #expect(rule.refusedLink(in: folder.filePath("shared/c/file")) == nil)
  }

  @Test(.enabled(if: geteuid() == 0)) func issue17OthersLinksAreNot() throws {
    try plant("a", to: "../private/file")
    try plant("b", to: folder.path("private"))
    // One's own link that leads over another's.
    try folder.link("shared/c", to: "b/file")
    for name in ["a", "b/file", "c"] {
      #expect(throws: Errno.tooManySymbolicLinkLevels) { try text(name, .own) }
      #expect(try text(name, .follow) == "secret")
    }
    let rule = LinkRule(below: folder.filePath("shared"), .own)
    #expect(rule.refusedLink(in: folder.filePath("shared/b/file")) == folder.filePath("shared/b"))
    // What is named is followed.
    #expect(try LinkRule.all.open(folder.filePath("shared/a"), O_RDONLY).close() == ())
    let named = LinkRule(below: folder.filePath("shared/b"), .none)
    #expect(try named.open(folder.filePath("shared/b/file"), O_RDONLY).close() == ())
  }

  @Test(.enabled(if: geteuid() == 0)) func issue17NoFolderIsMadeBehindAnothersLink() throws {
    try plant("b", to: folder.path("private"))
    let rule = LinkRule(below: folder.filePath("shared"), .own)
    func write(_ name: String) throws {
      var files = AtomicFiles(in: folder.filePath("shared/" + name), following: rule)
      try files.write(Data("x".utf8), to: "x")
      try files.commit()
    }
    for name in ["b", "b/new", "b/new/deeper"] {
      #expect(throws: FileFailure.self) { try write(name) }
    }
    #expect(folder.files("private") == ["file"] && !folder.exists("private/new"))
    try write("new/deeper")
    #expect(try folder.text("shared/new/deeper/x") == "x")
    AtomicFiles.removeLeftovers(in: folder.filePath("shared/b"), following: rule)
  }

  @Test func issue17RelativePathsHaveTheirFrontToo() throws {
    let rule = LinkRule(below: ".", .none)
    #expect(rule.named("a/b") == "." && rule.named("./a/b") == ".")
    #expect(LinkRule(below: "/", .none).named("/a") == "/")
    #expect(LinkRule(below: "a", .none).named("a/b") == "a")
    #expect(LinkRule(below: "a", .follow).named("a/b") == "a/b")
    #expect(LinkRule.all.named("a/b") == "a/b")
  }
}
