import Foundation
import M2FPCore
import Testing

@testable import M2FPBatch

struct AtomicFilesTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ files: inout AtomicFiles, _ name: String) throws {
    try files.write(Data(name.utf8), to: folder.path + "/" + name)
  }

  @Test func nothingAppearsBeforeTheCommit() throws {
    var files = AtomicFiles(in: folder.path)
    try write(&files, "a")
    try write(&files, "b")
    #expect(try folder.tree().keys.allSatisfy { $0.hasPrefix(".m2fp-") })
    try files.commit()
    #expect(try folder.tree() == ["a": Data("a".utf8), "b": Data("b".utf8)])
  }

  @Test func withoutACommitNothingIsLeft() throws {
    do {
      var files = AtomicFiles(in: folder.path)
      try write(&files, "a")
    }
    #expect(try folder.tree().isEmpty)
  }

  @Test func whatACommitCannotRenameIsRemoved() throws {
    try folder.write("b/in-the-way", [1])
    var files = AtomicFiles(in: folder.path)
    try write(&files, "b")
    do {
      try files.commit()
      Issue.record("a folder was replaced by a file")
    } catch {
      #expect(error.code == .outputNotWritable)
    }
    #expect(try folder.tree().keys.sorted() == ["b/in-the-way"])
  }

  @Test func leftoversOfTheDeadGoAndFilesOfTheLivingStay() throws {
    try folder.write(".m2fp-dead.tmp", [1])
    try folder.write("other.tmp", [1])
    var files = AtomicFiles(in: folder.path)
    try write(&files, "a")
    AtomicFiles.removeLeftovers(in: folder.path)
    try files.commit()
    #expect(try folder.tree().keys.sorted() == ["a", "other.tmp"])
  }

  @Test func aFileInPlaceOfAFolderIsNamed() throws {
    try folder.write("file", [1])
    let failure = #expect(throws: FileFailure.self) {
      try AtomicFiles.makeFolder(folder.path + "/file/sub")
    }
    #expect(failure?.code == .outputNotWritable)
  }

  @Test func aFullDiskHasItsOwnCode() {
    #expect(AtomicFiles.failure(ENOSPC, "x/y").code == .diskFull)
    #expect(AtomicFiles.failure(EACCES, "x/y").message.contains("--out"))
  }
}
