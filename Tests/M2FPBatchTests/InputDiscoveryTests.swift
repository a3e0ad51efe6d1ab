import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct InputDiscoveryTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func names(recursive: Bool = true) -> [String] {
    InputDiscovery.inputs(under: [folder.filePath], recursive: recursive).map(\.relativePath.string)
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
    let inputs = InputDiscovery.inputs(under: [folder.filePath], recursive: true)
    #expect(inputs.map(\.relativePath) == ["dangling.png", "fifo.jpg", "folder.jpg", "self.png"])
    #expect(inputs.allSatisfy { $0.failure?.code == .notAFile })
  }

  @Test func aFileTheUserNamesIsTakenWhateverItsName() throws {
    let file = FilePath(try folder.write("photo.dat", [1]))
    #expect(
      InputDiscovery.inputs(under: [file], recursive: true)
        == [Input(path: file, relativePath: "photo.dat")])
  }

  @Test func aFolderTheUserNamesIsWalkedWhateverItsName() throws {
    try folder.write("folder.jpg/inside.jpg", [1])
    let inputs = InputDiscovery.inputs(under: [folder.filePath("folder.jpg/")], recursive: true)
    #expect(inputs.map(\.path) == [folder.filePath("folder.jpg/inside.jpg")])
  }

  @Test func anOutputThatTheUserNamesIsAFailure() throws {
    let file = FilePath(try folder.write("a.m2fp.png", [1]))
    let inputs = InputDiscovery.inputs(under: [file], recursive: true)
    #expect(inputs.map(\.failure?.code) == [.notAFile])
  }

  @Test func aPathThatIsNotThereIsAFailure() {
    let inputs = InputDiscovery.inputs(under: [folder.filePath("none")], recursive: true)
    #expect(inputs.map(\.failure?.code) == [.missing])
  }

  @Test func aNameThatIsNotUTF8IsANameLikeAnyOther() throws {
    let name: [UInt8] = [0xFF, 0x20, 0x2E] + Array("jpg".utf8)
    let path = folder.filePath.appending(name: name)
    let file = try FileDescriptor.open(
      path, .writeOnly, options: .create, permissions: .ownerReadWrite)
    try file.close()
    let inputs = InputDiscovery.inputs(under: [folder.filePath], recursive: true)
    let relative = FilePath().appending(name: name)
    #expect(inputs == [Input(path: path, relativePath: relative, root: folder.filePath)])
  }

  /// Links to photos and folders, in a folder and in a list: of the user, and, where tests run as root,
  /// of another.
  @Test(arguments: LinkPolicy.allCases)
  func issue17LinksAreFollowedByTheirOwner(_ policy: LinkPolicy) throws {
    let elsewhere = try TemporaryFolder()
    // A folder is walked once, however it is come to.
    for name in ["b.jpg", "sub/c.jpg", "sub2/c.jpg"] { try elsewhere.write(name, [1]) }
    try folder.write("a.jpg", [1])
    try folder.link("own.jpg", to: elsewhere.path("b.jpg"))
    try folder.link("own-folder", to: elsewhere.path("sub"))
    let isRoot = geteuid() == 0
    if isRoot {
      try folder.link("planted.jpg", to: elsewhere.path("b.jpg"))
      try folder.link("planted-folder", to: elsewhere.path("sub2"))
      try folder.link("notes.txt", to: elsewhere.path("b.jpg"))
      for name in ["planted.jpg", "planted-folder", "notes.txt"] {
        #expect(lchown(folder.path(name), 65534, 65534) == 0)
      }
    }
    let own = ["own-folder/c.jpg", "own.jpg"]
    let planted = isRoot ? ["planted-folder/c.jpg", "planted.jpg"] : []
    let plantedLinks = isRoot ? ["planted-folder", "planted.jpg"] : []
    let plantedNotes = isRoot ? ["notes.txt"] : []
    let (taken, left) =
      switch policy {
      case .own: (["a.jpg"] + own, plantedNotes + plantedLinks)
      case .follow: (["a.jpg"] + own + planted, [])
      case .none: (["a.jpg"], plantedNotes + ["own-folder", "own.jpg"] + plantedLinks)
      }
    var leftOut: [FilePath] = []
    func found(_ listed: [PathList.Entry] = [], under paths: [FilePath] = []) -> [String] {
      leftOut = []
      return InputDiscovery.inputs(under: paths, listed: listed, recursive: true, links: policy) {
        if $0.kind == .link { leftOut.append($0.path) }
      }.map(\.relativePath.string)
    }
    #expect(found(under: [folder.filePath]) == taken)
    #expect(leftOut == left.map(folder.filePath))
    // As `find photos/.` lists them, and without the mark.
    for mark in ["/./", "/"] {
      let list = (taken + (left.filter { $0.hasSuffix(".jpg") })).map { folder.path + mark + $0 }
      let entries = PathList(Array(list.joined(separator: "\n").utf8), zeroTerminated: false)
        .entries
      #expect(found(entries).count == taken.count)
      #expect(leftOut == left.filter { $0.hasSuffix(".jpg") }.map(folder.filePath))
    }
    // What is named is followed.
    let named = [folder.filePath("own.jpg")] + (isRoot ? [folder.filePath("planted.jpg")] : [])
    #expect(found(under: named).count == named.count && leftOut.isEmpty)
  }

  private static let photo: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0]

  /// What is found, and what is left out, by the kinds' names.
  private func search(
    recursive: Bool = true, filter: PathFilter = PathFilter(), byName: Bool = false
  ) -> (found: [String], leftOut: [String: String]) {
    var leftOut: [String: String] = [:]
    let inputs = InputDiscovery.inputs(
      under: [folder.filePath], recursive: recursive, filter: filter, byName: byName
    ) {
      leftOut[String($0.path.string.dropFirst(folder.path.count + 1))] = $0.kind.name
    }
    return (inputs.map(\.relativePath.string), leftOut)
  }

  @Test func issue19PhotosAreFoundByWhatIsInThem() throws {
    for name in ["a", "b.txt", "b.jpg_large", "sub/IMG_1", "sub.d/x", "z.jpg"] {
      try folder.write(name, Self.photo)
    }
    for name in ["notes.txt", "c", "sub/c.psd"] { try folder.write(name, [1]) }
    try folder.write("empty", [])
    try folder.link("link", to: "a")
    // What is named like a photo comes first in its folder.
    #expect(
      search().found == ["sub/IMG_1", "sub.d/x", "z.jpg", "a", "b.jpg_large", "b.txt", "link"])
    #expect(
      search().leftOut == [
        "notes.txt": ".txt", "c": "without suffix", "sub/c.psd": ".psd", "empty": "without suffix",
      ])
    let byName = search(byName: true)
    #expect(byName.found == ["z.jpg"])
    #expect(byName.leftOut.count == 10 && byName.leftOut["b.jpg_large"] == "without suffix")
    let filtered = search(filter: PathFilter(include: [Array("*.txt".utf8)]))
    #expect(filtered.found == ["b.txt"] && filtered.leftOut == ["notes.txt": ".txt"])
  }

  /// The run that was stopped says how many are left.
  @Test func issue19LookingEndsWithTheRunAndCallsNothingUnseenNoPhoto() throws {
    for index in 0..<200 { try folder.write("\(index).dat", [1]) }
    let cancellation = Cancellation()
    cancellation.cancel(.interrupted)
    let inputs = InputDiscovery.inputs(
      under: [folder.filePath], recursive: true, cancellation: cancellation)
    #expect(inputs.count == 200)
  }

  @Test func issue19WhatNamesRuleOutIsNotLookedInto() throws {
    for (name, _) in Self.ruledOut { try folder.write(name, Self.photo) }
    try folder.write("photo.jpg", Self.photo)
    #expect(mkfifo(folder.path + "/fifo", 0o600) == 0)
    try folder.link("dangling", to: "nowhere")
    let (found, leftOut) = search()
    #expect(found == ["photo.jpg"])
    #expect(leftOut == Self.ruledOut.merging(["fifo": "special", "dangling": "special"]) { $1 })
  }

  private static let ruledOut = [
    "clip.MOV": "video", "raw.NEF": "camera raw", "raw.dng": "camera raw",
    "photo.jpg~": "unfinished", "photo.jpg_original": "unfinished",
    "photo.jpg.crdownload": "unfinished", "Thumbs.db": "system",
  ]

  @Test func issue19SystemFoldersAreLeftOutUnlessNamed() throws {
    let folders = ["@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", "#recycle"]
    for name in folders { try folder.write("a/\(name)/photo.jpg", Self.photo) }
    try folder.write(".Trash-1000/photo.jpg", Self.photo)
    let (found, leftOut) = search()
    #expect(found.isEmpty)
    #expect(leftOut == Dictionary(uniqueKeysWithValues: folders.map { ("a/\($0)", "system") }))
    let named = InputDiscovery.inputs(under: [folder.filePath("a/@eaDir")], recursive: true)
    #expect(named.map(\.relativePath) == ["photo.jpg"])
  }

  /// Sidecars, maps and masks are no news; those of a folder that only looks like one of masks are.
  @Test func issue19OwnOutputsAreNotCountedAsLeftOut() throws {
    for name in ["a.m2fp.json", "a.m2fp.png", "a.m2fp/hair.png", ".hidden", "b.m2fp/notes.txt"] {
      try folder.write(name, [1])
    }
    #expect(search().found.isEmpty)
    #expect(search().leftOut == ["b.m2fp/notes.txt": ".txt"])
  }

  /// Composed and decomposed, and a mark that joins the slash before it.
  @Test func issue17NamesThatTextsTakeForOneAreTwo() throws {
    for name in ["e\u{301}.jpg", "\u{E9}.jpg", "\u{301}mark.jpg", "ayah\u{6DD}.jpg"] {
      try folder.write(name, [1])
    }
    let inputs = InputDiscovery.inputs(under: [folder.filePath], recursive: true)
    #expect(inputs.count == 4 && inputs.allSatisfy { $0.failure == nil })
    let planned = OutputPlan.plan(inputs, root: "out", naming: .stem)
    #expect(Set(planned.map(\.outputs.mapPath)).count == 4)
    #expect(planned.allSatisfy { $0.outputs.folder == "out" && $0.input.failure == nil })
  }

  @Test func issue17OutputsAreToldByWhatLiesBesideThem() throws {
    for name in ["a.jpg", "a.m2fp.png", "a.m2fp.json", "a.m2fp/hair.png", "mine.m2fp/b.png"] {
      try folder.write(name, [1])
    }
    let named = ["a.jpg", "a.m2fp.png", "a.m2fp.json", "a.m2fp", "a.m2fp/hair.png", "mine.m2fp"]
      .map(folder.filePath)
    let inputs = InputDiscovery.inputs(under: named, recursive: true)
    #expect(inputs.map(\.relativePath) == ["a.jpg", "b.png"])
    #expect(names() == ["a.jpg", "mine.m2fp/b.png"])
  }
}
