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

/// Files that come while a run goes on.
struct WatchTests: BatchFixture {
  let folder: TemporaryFolder
  private let outcomes = Locked<[Outcome]>([])

  init() throws {
    folder = try TemporaryFolder()
  }

  private func batch() -> Batch { batch(options()) { () throws(RunFailure) in FakeSession() } }

  /// Names below the folder of the files of which this came, as often as it came.
  private func names(_ isWanted: (Outcome.Result) -> Bool) -> [String] {
    outcomes.withLock { $0 }.filter { isWanted($0.result) }
      .map { String($0.input.path.string.dropFirst(folder.path.utf8.count + 1)) }.sorted()
  }

  private var parsed: [String] { names { if case .parsed = $0 { true } else { false } } }

  private func wait(_ isReached: () -> Bool) async throws {
    // What is waited for is started on threads that all tests share.
    let end = ContinuousClock.now + .seconds(600)
    while !isReached(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(20)) }
  }

  /// Watches the folder `in` while `body` runs.
  private func watching(_ body: () async throws -> Void) async throws -> BatchSummary {
    let cancellation = Cancellation()
    async let summary = onOwnThread {
      let watch = Watch(Selection(paths: [folder.filePath("in")]), out: nil, naming: .stem)
      let stream = FileStream(capacity: .max)
      let source = try WorkerThread {
        watch.fill(stream, cancellation: cancellation, onLeftOut: { _ in })
      }
      let summary = batch().run(stream, on: options().threads, cancellation: cancellation) {
        outcome in
        watch.done(outcome)
        outcomes.withLock { $0.append(outcome) }
      }
      source.join()
      return summary
    }
    do {
      try await body()
    } catch {
      cancellation.cancel(.interrupted)
      throw error
    }
    cancellation.cancel(.interrupted)
    return try await summary
  }

  @Test func issue19EachFileIsParsedOnceWhenItIsWhole() async throws {
    try addImage("in/before.png")
    let bytes = try folder.read("in/before.png")
    try addImage("beside/moved.png")
    // Half of it is there when watching begins.
    try folder.write("in/begun.png", bytes.prefix(60))
    let begun = try FileHandle(forWritingTo: folder.url("in/begun.png"))
    let summary = try await watching {
      try await wait { parsed == ["in/before.png"] }
      try begun.seekToEnd()
      try begun.write(contentsOf: bytes.dropFirst(60))
      try begun.close()
      try addImage("in/copied.png")
      try FileManager.default.moveItem(
        atPath: folder.path("beside/moved.png"), toPath: folder.path("in/moved.png"))
      try addImage("in/new/folder/deep.png")
      try folder.write("in/half.png", [])
      let half = try FileHandle(forWritingTo: folder.url("in/half.png"))
      try half.write(contentsOf: bytes.prefix(60))
      try await wait { parsed.count == 5 }
      try half.write(contentsOf: bytes.dropFirst(60))
      try half.close()
      try await wait { parsed.count == 6 }
      // What changes is parsed again.
      try folder.write("in/copied.png", folder.read("in/new/folder/deep.png"))
      try await wait { parsed.count == 7 }
    }
    #expect(
      parsed == [
        "in/before.png", "in/begun.png", "in/copied.png", "in/copied.png", "in/half.png",
        "in/moved.png", "in/new/folder/deep.png",
      ])
    #expect(summary.parsed == 7 && summary.remaining == 0 && summary.stop == .interrupted)
    // An empty file was closed, and told; nothing else failed.
    #expect(
      Set(names { if case .failed = $0 { true } else { false } }).isSubset(of: ["in/half.png"]))
    outcomes.withLock { $0 = [] }
    _ = try await watching { try await wait { outcomes.withLock { $0.count } >= 6 } }
    #expect(parsed == [], "it goes on where it was")
  }

  /// Rather than to wait for ever for what cannot come.
  @Test(.timeLimit(.minutes(2)), arguments: ["moved", "removed"])
  func issue17AWatchedFolderThatGoesEndsTheRun(_ how: String) async throws {
    try addImage("in/a.png")
    let cancellation = Cancellation()
    async let summary = onOwnThread {
      let watch = Watch(Selection(paths: [folder.filePath("in")]), out: nil, naming: .stem)
      let stream = FileStream(capacity: .max)
      let source = try WorkerThread {
        watch.fill(stream, cancellation: cancellation, onLeftOut: { _ in })
      }
      let summary = batch().run(stream, on: options().threads, cancellation: cancellation) {
        outcome in outcomes.withLock { $0.append(outcome) }
      }
      source.join()
      return summary
    }
    try await wait { parsed == ["in/a.png"] }
    if how == "moved" {
      try FileManager.default.moveItem(atPath: folder.path("in"), toPath: folder.path("away"))
    } else {
      try folder.remove("in")
    }
    guard case .failure(let failure) = try await summary.stop else {
      Issue.record("it goes on")
      return
    }
    #expect(failure.kind == .noInput && failure.message.contains("was moved or removed"))
  }

  @Test func issue19WhatHasGoneClaimsNoNames() async throws {
    try addImage("in/a.png")
    _ = try await watching {
      try await wait { parsed == ["in/a.png"] }
      try folder.write(
        "in/a.jpg",
        JPEGEncoder.rgb(Photo.pattern(width: 40, height: 30, factor: 3)).data)
      try await wait { !names { if case .failed = $0 { true } else { false } }.isEmpty }
      try folder.remove("in/a.png")
      try FileManager.default.moveItem(
        atPath: folder.path("in/a.jpg"), toPath: folder.path("in/.a"))
      try FileManager.default.moveItem(
        atPath: folder.path("in/.a"), toPath: folder.path("in/a.jpg"))
      try await wait { parsed.count == 2 }
    }
    #expect(parsed == ["in/a.jpg", "in/a.png"])
  }

  /// A list that never ends its line is no list.
  @Test(.timeLimit(.minutes(2))) func issue17AnEntryOfAListIsNoLongerThanAPath() async throws {
    let (reader, writer) = try FileDescriptor.pipe()
    let cancellation = Cancellation()
    async let summary = onOwnThread {
      let paths = PathStream(
        Selection(paths: []), out: nil, naming: .stem, zeroTerminated: false, lockMode: .fail)
      let stream = FileStream(capacity: 2)
      let source = try WorkerThread {
        paths.fill(stream, from: reader, cancellation: cancellation, onLeftOut: { _ in })
      }
      let summary = batch().run(stream, on: options().threads, cancellation: cancellation) { _ in }
      source.join()
      try reader.close()
      return summary
    }
    try await onOwnThread {
      signal(SIGPIPE, SIG_IGN)
      let part = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 16)
      // Until nobody reads it any more.
      while (try? writer.writeAll(part)) != nil {}
      try writer.close()
    }
    guard case .failure(let failure) = try await summary.stop else {
      Issue.record("it goes on")
      return
    }
    #expect(failure.kind == .noInput && failure.message.contains("longer than any path"))
  }

  @Test func issue19AListIsParsedBeforeItEnds() async throws {
    for name in ["a.png", "b.png", "c/a.png"] { try addImage(name) }
    try folder.write("a.jpg", Data(contentsOf: folder.url("a.png")))
    let (list, writer) = try FileDescriptor.pipe()
    let cancellation = Cancellation()
    async let summary = onOwnThread {
      let paths = PathStream(
        Selection(paths: []), out: nil, naming: .stem, zeroTerminated: false, lockMode: .fail)
      let stream = FileStream(capacity: 2)
      let source = try WorkerThread {
        paths.fill(stream, from: list, cancellation: cancellation, onLeftOut: { _ in })
      }
      let summary = batch().run(stream, on: options().threads, cancellation: cancellation) {
        outcome in outcomes.withLock { $0.append(outcome) }
      }
      source.join()
      return summary
    }
    func send(_ text: String) throws { _ = try writer.writeAll(text.utf8) }
    try send(folder.path("a.png") + "\n" + folder.path("b.p"))
    try await wait { parsed == ["a.png"] }
    #expect(parsed == ["a.png"], "and not of what has not ended")
    try send("ng\n\(folder.path("a.jpg"))\n")
    try await wait { outcomes.withLock { $0.count } == 3 }
    let collision = outcomes.withLock { $0.last { $0.input.path.name == Array("a.jpg".utf8) } }
    guard case .failed(let failure) = collision?.result else {
      Issue.record("a.jpg writes what a.png has")
      return
    }
    #expect(failure.code == .outputCollision)
    // The last line need not be ended, and a folder is searched.
    try send("\(folder.path("a.png"))\n\(folder.path("c"))")
    try writer.close()
    let total = try await summary
    #expect(parsed == ["a.png", "b.png", "c/a.png"])
    #expect(total.parsed == 3 && total.failed == 1 && total.remaining == 0 && total.stop == nil)
  }
}
