import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct InputDiscoveryTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func names(recursive: Bool = true) -> [String] {
    InputDiscovery.inputs(under: [folder.path], recursive: recursive).map(\.relativePath)
  }

  @Test func foldersAreWalkedInOrderOfName() throws {
    for name in ["b.jpg", "a/z.PNG", "a/b/c.jpeg", "B.jpg", "notes.txt"] {
      try folder.write(name, [1])
    }
    #expect(names() == ["B.jpg", "a/b/c.jpeg", "a/z.PNG", "b.jpg"])
    #expect(names(recursive: false) == ["B.jpg", "b.jpg"])
  }

  @Test func hiddenNamesAndOwnOutputsAreLeftOut() throws {
    for name in [
      "a.jpg", ".hidden.jpg", ".git/b.jpg", "a.m2fp.png", "a.m2fp/hair.png", "a.m2fp.overlay.jpg",
    ] {
      try folder.write(name, [1])
    }
    #expect(names() == ["a.jpg"])
  }

  @Test func aLoopOfSymbolicLinksEnds() throws {
    try folder.write("a/b.jpg", [1])
    try folder.link("a/loop", to: "..")
    try folder.link("again", to: "a")
    #expect(names() == ["a/b.jpg"])
  }

  @Test func whatOnlyLooksLikeAnImageIsNamedAsAFailure() throws {
    try folder.write("folder.jpg/inside.jpg", [1])
    try folder.link("dangling.png", to: "nowhere")
    try folder.link("self.png", to: "self.png")
    #expect(mkfifo(folder.path + "/fifo.jpg", 0o600) == 0)
    let inputs = InputDiscovery.inputs(under: [folder.path], recursive: true)
    #expect(inputs.map(\.relativePath) == ["dangling.png", "fifo.jpg", "folder.jpg", "self.png"])
    #expect(inputs.allSatisfy { $0.failure?.code == .notAFile })
  }

  @Test func aFileTheUserNamesIsTakenWhateverItsName() throws {
    let file = try folder.write("photo.dat", [1])
    #expect(
      InputDiscovery.inputs(under: [file], recursive: true)
        == [Input(path: file, relativePath: "photo.dat")])
  }

  @Test func aFolderTheUserNamesIsWalkedWhateverItsName() throws {
    try folder.write("folder.jpg/inside.jpg", [1])
    let inputs = InputDiscovery.inputs(under: [folder.path + "/folder.jpg/"], recursive: true)
    #expect(inputs.map(\.path) == [folder.path + "/folder.jpg/inside.jpg"])
  }

  @Test func anOutputThatTheUserNamesIsAFailure() throws {
    let file = try folder.write("a.m2fp.png", [1])
    let inputs = InputDiscovery.inputs(under: [file], recursive: true)
    #expect(inputs.map(\.failure?.code) == [.notAFile])
  }

  @Test func aPathThatIsNotThereIsAFailure() {
    let inputs = InputDiscovery.inputs(under: [folder.path + "/none"], recursive: true)
    #expect(inputs.map(\.failure?.code) == [.missing])
  }

  @Test func aNameThatIsNotUTF8IsAFailure() throws {
    let descriptor = (folder.path + "/x\u{1}.jpg").utf8CString.withUnsafeBufferPointer { name in
      var bytes = Array(name)
      bytes[bytes.count - 6] = CChar(bitPattern: 0xFF)
      return open(bytes, O_CREAT | O_WRONLY, 0o600)
    }
    #expect(descriptor >= 0)
    close(descriptor)
    let inputs = InputDiscovery.inputs(under: [folder.path], recursive: true)
    #expect(inputs.map(\.failure?.code) == [.unreadable])
  }
}
