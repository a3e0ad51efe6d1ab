import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct ResultCacheTests: BatchFixture {
  let folder: TemporaryFolder
  private let cacheFolder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    cacheFolder = try TemporaryFolder()
  }

  private func cached(limit: Int = 1 << 30, jobs: Int = 2) throws -> RunOptions {
    var options = options(jobs: jobs)
    options.cache = try ResultCache(cacheFolder.filePath, limit: limit)
    return options
  }

  private func copy(_ name: String, to other: String) throws {
    try folder.write(other, try #require(folder.tree()[name]))
  }

  private var entries: [String] {
    get throws { try cacheFolder.tree().keys.filter { $0.hasSuffix(".entry") }.sorted() }
  }

  private static let noSession: SessionFactory = { () throws(RunFailure) in
    throw RunFailure(.internal, "no session is needed")
  }

  @Test func aCopyAnywhereIsNotParsedAndGivesTheSameTree() throws {
    var options = try cached()
    options.parsing.outputs.personMap = true
    options.parsing.outputs.personMasks = [13]
    options.parsing.outputs.overlay = OverlayStyle()
    options.parsing.outputs.cutout = .init(classes: nil, perPerson: true)
    try addImage("first.png")
    #expect(try run(options).summary.parsed == 1)
    try copy("first.png", to: "sub/second.png")
    let (summary, _) = try run(options, session: Self.noSession)
    #expect(summary.cached == 1 && summary.current == 1)
    let cachedTree = try folder.tree()
    #expect(cachedTree.count == 2 * 8, "\(cachedTree.keys.sorted())")
    options.cache = nil
    options.force = true
    #expect(try run(options).summary.parsed == 2)
    #expect(try folder.tree() == cachedTree)
    options.force = false
    #expect(try run(options).summary.current == 2, "the time of the input is there, too")
  }

  @Test func copiesSideBySideAreParsedOnce() async throws {
    try addImage("0.png")
    for index in 1..<20 { try copy("0.png", to: "\(index).png") }
    let counter = Counter()
    let (summary, _) = try await run(cached(jobs: 4)) { () throws(RunFailure) in
      FakeSession {
        counter.increment()
        usleep(50_000)
      }
    }
    #expect(summary.parsed == 1 && summary.cached == 19 && counter.value == 1)
  }

  @Test func aCopyOfWhatFailsFailsToo() throws {
    for index in 0..<6 { try folder.write("\(index).png", "not an image".utf8) }
    #expect(try run(cached()).summary.failed == 6)
    #expect(try entries.isEmpty)
  }

  @Test(.timeLimit(.minutes(5))) func copiesOfAFileThatHangsDoNotWaitForever() async throws {
    try addImage("0.png")
    for index in 1..<4 { try copy("0.png", to: "\(index).png") }
    let counter = Counter()
    let hang = DispatchSemaphore(value: 0)
    var options = try cached()
    options.timeout = .seconds(8)
    let (summary, _) = try await run(options) { () throws(RunFailure) in
      FakeSession { if counter.increment() == 1 { hang.wait() } }
    }
    hang.signal()
    #expect(summary.failed == 1 && summary.parsed + summary.cached == 3)
  }

  @Test func otherModelsAndOptionsHaveEntriesOfTheirOwn() throws {
    try addImage("a.png")
    try run(cached())
    try run(cached(), model: "1")
    var options = try cached()
    options.parsing.outputs.masks = []
    try run(options)
    #expect(try entries.count == 3)
    try folder.remove("a.m2fp.json")
    #expect(
      try run(cached(), session: Self.noSession).summary.cached == 1, "the first is there still")
  }

  @Test func forceParsesAndRenewsTheEntry() throws {
    try addImage("a.png")
    var options = try cached()
    try run(options)
    options.force = true
    #expect(try run(options).summary.parsed == 1)
    #expect(try entries.count == 1)
  }

  /// Any byte of an entry may change, or the end be missing: it is found, and parsed anew.
  @Test func aDamagedEntryIsDroppedAndMadeAnew() throws {
    try addImage("a.png")
    try run(cached())
    let tree = try folder.tree()
    let name = try #require(try entries.first)
    let entry = [UInt8](try #require(cacheFolder.tree()[name]))
    var damaged = [Array(entry.dropLast(1)), Array(entry.prefix(40)), []]
    for position in stride(from: 0, to: entry.count, by: 97) {
      var bytes = entry
      bytes[position] ^= 0x20
      damaged.append(bytes)
    }
    for bytes in damaged.prefix(40) {
      try cacheFolder.write(name, bytes)
      unlink(folder.path + "/a.m2fp.json")
      let (summary, outcomes) = try run(cached())
      #expect(summary.parsed == 1 && outcomes[0].warnings.count == 1)
      #expect(try folder.tree() == tree)
      #expect(try cacheFolder.tree()[name] == Data(entry))
    }
  }

  @Test(arguments: [
    ".m2fp.png", ".m2fp.persons.png", ".m2fp.cutout.png", ".m2fp.overlay.jpg", ".m2fp.overlay.png",
    ".m2fp/hair.png", ".m2fp/left-arm.png", ".m2fp/person-1/hair.png", ".m2fp/person-12.cutout.png",
  ])
  func issue17OutputsAreTakenFromAnEntry(_ name: String) {
    #expect(OutputNames.isOutput(suffix: FilePath(name)))
  }

  @Test(arguments: [
    "", ".m2fp", ".m2fp.json", ".m2fp.lock", ".m2fp.png.sh", ".m2fp/x.sh", ".m2fp/.png",
    ".m2fp/Hair.png",
    ".m2fp/../x.png", ".m2fp/../../x", "/etc/x", "/.m2fp.png", "hair.png", ".m2fp.exe/hair.png",
    ".m2fp/a/hair.png", ".m2fp/person-0/hair.png", ".m2fp/person-01/hair.png",
    ".m2fp/person-1/a/b.png",
    ".m2fp/person-1/person-1.cutout.png", ".m2fp/./../a.png", ".m2fp/.bashrc",
  ])
  func issue17NothingElseIsTakenFromAnEntry(_ name: String) {
    #expect(!OutputNames.isOutput(suffix: FilePath(name)))
  }

  /// Whole and true to their digests, and each in the other's place.
  @Test func issue17SwappedEntriesAreFound() throws {
    try addImage("a.png", width: 40)
    try addImage("b.png", width: 60)
    try run(cached())
    let tree = try folder.tree()
    let names = try entries
    let bytes = try names.map { try #require(cacheFolder.tree()[$0]) }
    for (name, bytes) in zip(names, bytes.reversed()) { try cacheFolder.write(name, bytes) }
    for name in ["a", "b"] { try folder.remove("\(name).m2fp.json") }
    let (summary, outcomes) = try run(cached())
    #expect(summary.parsed == 2 && outcomes.allSatisfy { $0.warnings.count == 1 })
    #expect(try folder.tree() == tree)
    #expect(try ResultCache(cacheFolder.filePath, limit: .max).verify() == .init())
  }

  /// A pipe that nobody writes to, a folder, a link, and a file larger than any entry.
  @Test(
    .timeLimit(.minutes(5)),
    arguments: ["mkfifo $0", "mkdir $0", "ln -s / $0", "truncate -s 2T $0"])
  func issue17WhatIsNoFileInAnEntrysPlaceHangsNothing(_ command: String) async throws {
    try addImage("a.png")
    try await run(cached())
    let entry = cacheFolder.path(try #require(try entries.first))
    try FileManager.default.removeItem(atPath: entry)
    try folder.remove("a.m2fp.json")
    #expect(try await ChildProcess.run("sh", ["-c", command, entry]).code == 0)
    #expect(try await run(cached()).summary.parsed == 1)
  }

  @Test func issue17TheFolderIsItsUsersOwn() throws {
    _ = try ResultCache(cacheFolder.filePath("a/b"), limit: 1)
    var status = stat()
    #expect(stat(cacheFolder.path("a/b"), &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  /// Buckets that lead elsewhere.
  @Test func issue17NoLinkInTheCacheIsFollowed() throws {
    try addImage("a.png")
    let elsewhere = try TemporaryFolder()
    let options = try cached()
    for bucket in 0..<256 {
      let name = "v1/" + String(bucket >> 4, radix: 16) + String(bucket & 15, radix: 16)
      try cacheFolder.link(name, to: elsewhere.path)
    }
    #expect(try run(options).summary.parsed == 1)
    #expect(elsewhere.files().isEmpty && options.cache?.problem != nil)
  }

  @Test func issue17AnEntryIsAsPrivateAsThePhoto() throws {
    try addImage("a.png")
    #expect(chmod(folder.path("a.png"), 0o600) == 0)
    try run(cached())
    var status = stat()
    #expect(stat(cacheFolder.path(try #require(try entries.first)), &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
  }

  /// Of two photos of the same bytes one is private: what was kept of the other is, too.
  @Test func issue17AnEntryIsAsPrivateAsThePhotoThatUsesIt() throws {
    try addImage("a.png")
    #expect(chmod(folder.path("a.png"), 0o644) == 0)
    try run(cached())
    try copy("a.png", to: "b.png")
    #expect(chmod(folder.path("b.png"), 0o600) == 0)
    #expect(try run(cached(), session: Self.noSession).summary.cached == 1)
    var status = stat()
    for path in [cacheFolder.path(try #require(try entries.first)), folder.path("b.m2fp.png")] {
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600, "\(path)")
    }
  }

  @Test func whatWasLongestUnusedGoesFirst() throws {
    for index in 0..<4 {
      try addImage("\(index).png", width: 40 + index)
      try run(cached())
    }
    let cache = try ResultCache(cacheFolder.filePath, limit: .max)
    let statistics = cache.statistics()
    #expect(statistics.entries == 4)
    // The first is used again.
    try copy("0.png", to: "again.png")
    #expect(try run(cached()).summary.cached == 1)
    #expect(cache.prune(to: statistics.bytes / 2).entries == 2)
    try folder.write("again.m2fp.json", [])
    #expect(try run(cached(), session: Self.noSession).summary.cached == 1)
    #expect(cache.prune(to: 0).entries == 2 && cache.statistics() == .init())
  }

  @Test func aRunKeepsTheCacheWithinItsLimit() throws {
    for index in 0..<10 { try addImage("\(index).png", width: 40 + index) }
    try run(cached(limit: 40_000))
    let statistics = try ResultCache(cacheFolder.filePath, limit: .max).statistics()
    #expect(statistics.bytes <= 40_000 && statistics.entries > 0)
  }

  @Test func aCacheThatCannotBeFilledFailsNoFile() throws {
    try addImage("a.png")
    let options = try cached()
    // A file where the folder of the entry belongs.
    for bucket in 0..<256 {
      let name = "v1/" + String(bucket >> 4, radix: 16) + String(bucket & 15, radix: 16)
      try cacheFolder.write(name, [])
    }
    #expect(try run(options).summary.parsed == 1)
    #expect(options.cache?.problem?.code == .outputNotWritable)
    #expect(throws: RunFailure.self) { try ResultCache("/proc/none", limit: 1) }
  }

  @Test func manyRunsShareACache() async throws {
    for index in 0..<8 { try addImage("\(index).png", width: 40 + index) }
    let folders = try (0..<4).map { _ in try TemporaryFolder() }
    for folder in folders {
      for (name, bytes) in try self.folder.tree() { try folder.write(name, bytes) }
    }
    try await withThrowingTaskGroup { group in
      for folder in folders {
        group.addTask {
          // Small enough that entries come and go all the while.
          let (summary, _) = try await CopyOfFixture(folder: folder).run(cached(limit: 60_000))
          #expect(summary.parsed + summary.cached == 8)
        }
      }
      try await group.waitForAll()
    }
    let trees = try folders.map { try $0.tree() }
    #expect(trees.allSatisfy { $0 == trees[0] } && trees[0].count == 8 * 4)
  }
}

private struct CopyOfFixture: BatchFixture {
  let folder: TemporaryFolder
}
