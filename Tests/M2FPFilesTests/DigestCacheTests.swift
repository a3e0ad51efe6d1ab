import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import M2FPFiles

struct DigestCacheTests {
  private let folder: TemporaryFolder
  private let file: String
  private var entries: String { folder.path("entries") }

  init() throws {
    folder = try TemporaryFolder()
    file = try folder.write("file", "abc".utf8)
  }

  /// Remembers files of any size and age.
  private var eager: DigestCache {
    DigestCache(folder: FilePath(entries), smallestFile: 0, settlingSeconds: -1)
  }

  /// FIPS 180-4's example.
  private let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  /// Puts another digest into the one entry there is, so that its use shows.
  private func forge() throws -> String {
    let forged = String(repeating: "0", count: 64)
    let names = try FileManager.default.contentsOfDirectory(atPath: entries)
    let name = try #require(names.first)
    let entry = URL(fileURLWithPath: entries + "/" + name)
    let text = try String(contentsOf: entry, encoding: .utf8)
    try Data((text.dropLast(64) + forged).utf8).write(to: entry)
    return forged
  }

  @Test func aFileIsReadOnceWhileItStaysTheSame() throws {
    #expect(try eager.sha256(ofFile: FilePath(file)) == abc)
    let forged = try forge()
    #expect(try eager.sha256(ofFile: FilePath(file)) == forged)
  }

  @Test func aFileThatChangedIsReadAgainAlsoAtTheSameSizeAndTime() throws {
    let attributes = try FileManager.default.attributesOfItem(atPath: file)
    let modified = try #require(attributes[.modificationDate])
    _ = try eager.sha256(ofFile: FilePath(file))
    let forged = try forge()
    let handle = try #require(FileHandle(forWritingAtPath: file))
    try handle.write(contentsOf: Data("abd".utf8))
    try handle.close()
    try FileManager.default.setAttributes([.modificationDate: modified], ofItemAtPath: file)
    let digest = try eager.sha256(ofFile: FilePath(file))
    #expect(digest != forged && digest != abc && digest.count == 64)
  }

  @Test func whatIsSmallOrJustChangedIsNotRemembered() throws {
    for cache in [
      DigestCache(folder: FilePath(entries), smallestFile: 4, settlingSeconds: -1),
      DigestCache(folder: FilePath(entries), smallestFile: 0, settlingSeconds: 3600),
    ] {
      #expect(try cache.sha256(ofFile: FilePath(file)) == abc)
      #expect(!FileManager.default.fileExists(atPath: entries))
    }
  }

  @Test func aDamagedEntryAndAFolderThatCannotBeMadeDoNoHarm() throws {
    _ = try eager.sha256(ofFile: FilePath(file))
    for name in try FileManager.default.contentsOfDirectory(atPath: entries) {
      try Data("1 2 3".utf8).write(to: URL(fileURLWithPath: entries + "/" + name))
    }
    #expect(try eager.sha256(ofFile: FilePath(file)) == abc)
    let blocked = DigestCache(
      folder: FilePath(file + "/entries"), smallestFile: 0, settlingSeconds: -1)
    #expect(try blocked.sha256(ofFile: FilePath(file)) == abc)
    #expect(try DigestCache(folder: nil, smallestFile: 0).sha256(ofFile: FilePath(file)) == abc)
  }

  @Test func theStandardFolderFollowsXDG() {
    func folder(_ environment: [String: String]) -> String? {
      DigestCache.standard(environment: environment).folder?.string
    }
    #expect(folder(["XDG_CACHE_HOME": "/c", "HOME": "/h"]) == "/c/m2fp/digests")
    #expect(folder(["XDG_CACHE_HOME": "relative", "HOME": "/h"]) == "/h/.cache/m2fp/digests")
    #expect(folder([:]) == nil)
  }
}
