import Foundation
import M2FPCore
import SystemPackage
import TestSupport
import Testing

@testable import M2FPFiles

struct AtomicFilesTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ files: inout AtomicFiles, _ name: String) throws {
    try files.write(Data(name.utf8), to: FilePath(name))
  }

  @Test func nothingAppearsBeforeTheCommit() throws {
    var files = AtomicFiles(in: folder.filePath)
    try write(&files, "a")
    try write(&files, "b")
    #expect(try folder.tree().keys.allSatisfy { $0.hasPrefix(".m2fp-") })
    try files.commit()
    #expect(try folder.tree() == ["a": Data("a".utf8), "b": Data("b".utf8)])
  }

  @Test func withoutACommitNothingIsLeft() throws {
    do {
      var files = AtomicFiles(in: folder.filePath)
      try write(&files, "a")
    }
    #expect(try folder.tree().isEmpty)
  }

  @Test func whatACommitCannotRenameIsRemoved() throws {
    try folder.write("b/in-the-way", [1])
    var files = AtomicFiles(in: folder.filePath)
    try write(&files, "b")
    do throws(FileFailure) {
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
    var files = AtomicFiles(in: folder.filePath)
    try write(&files, "a")
    AtomicFiles.removeLeftovers(in: folder.filePath)
    try files.commit()
    #expect(try folder.tree().keys.sorted() == ["a", "other.tmp"])
  }

  @Test func everyTemporaryFileLiesInTheFolderOfItsFinalName() throws {
    var files = AtomicFiles(in: folder.filePath)
    try write(&files, "a.m2fp.png")
    try write(&files, "a.m2fp/hair.png")
    let folders = try folder.tree().keys.map { URL(fileURLWithPath: "/" + $0) }
      .map { $0.deletingLastPathComponent().path }
    #expect(folders.sorted() == ["/", "/a.m2fp"])
    try files.commit()
    #expect(try folder.tree().keys.sorted() == ["a.m2fp.png", "a.m2fp/hair.png"])
  }

  @Test func withoutACommitNoEmptyFolderIsLeft() throws {
    try folder.write("b.m2fp/mine.png", [1])
    do {
      var files = AtomicFiles(in: folder.filePath)
      try write(&files, "a.m2fp/hair.png")
      try write(&files, "b.m2fp/hair.png")
    }
    #expect(
      try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
        == ["b.m2fp", "b.m2fp/mine.png"])
  }

  @Test func leftoversAmongMasksGoWithTheOneBesideThem() throws {
    try folder.write(".m2fp-dead.tmp", [1])
    try folder.write("a.m2fp/.m2fp-dead.tmp", [1])
    try folder.write("b.m2fp/.m2fp-dead.tmp", [1])
    try folder.write("b.m2fp/hair.png", [1])
    var files = AtomicFiles(in: folder.filePath)
    try write(&files, "c.m2fp/hair.png")
    AtomicFiles.removeLeftovers(in: folder.filePath, andFoldersEnding: ".m2fp")
    try files.commit()
    #expect(
      try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
        == ["b.m2fp", "b.m2fp/hair.png", "c.m2fp", "c.m2fp/hair.png"])
  }

  @Test func aFileInPlaceOfAFolderIsNamed() throws {
    try folder.write("file", [1])
    let failure = #expect(throws: FileFailure.self) {
      try AtomicFiles.makeFolder(folder.filePath("file/sub"))
    }
    #expect(failure?.code == .outputNotWritable)
  }

  @Test func aFullDiskHasItsOwnCode() {
    #expect(AtomicFiles.failure(.noSpace, "x/y").code == .diskFull)
    #expect(
      AtomicFiles.failure(.permissionDenied, "x/y").message
        == "cannot write in x: permission denied")
  }
}
