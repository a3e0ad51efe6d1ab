import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct OutputLockTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write("a.jpg", [1])
    try folder.write("b.jpg", [1])
  }

  /// Each call opens the file anew, so that two locks exclude each other as those of two processes.
  private func lock(
    _ names: String..., out: String? = nil, shard: (Int, Int)? = nil,
    mode: OutputLock.Mode = .fail, cancellation: Cancellation = Cancellation(),
    onWait: (FilePath) -> Void = { _ in }
  ) throws -> [OutputLock] {
    var selection = Selection(paths: names.map { folder.filePath($0) })
    selection.shard = shard.flatMap { Shard($0, of: $1) }
    return try OutputLock.acquire(
      selection, out: out.map { folder.filePath($0) }, mode: mode, cancellation: cancellation,
      onWait: onWait)
  }

  private func isLocked(_ names: String..., out: String? = nil, shard: (Int, Int)? = nil) -> Bool {
    do {
      return try names.isEmpty
        ? lock("", out: out, shard: shard).isEmpty : lock(names[0], out: out, shard: shard).isEmpty
    } catch let failure as RunFailure {
      return failure.kind == .temporary
    } catch {
      return false
    }
  }

  @Test func aSecondRunOverTheFolderFailsUntilTheFirstIsOver() throws {
    var locks = try lock("")
    #expect(locks.count == 1 && isLocked())
    locks.removeAll()
    #expect(!isLocked())
    #expect(try folder.tree().keys.sorted() == ["a.jpg", "b.jpg"], "the lock leaves no file")
  }

  @Test func anOutFolderIsMadeAndLockedAndNotTheInputs() throws {
    let locks = try lock("", out: "x/y")
    #expect(locks.count == 1 && isLocked(out: "x/y"))
    #expect(!isLocked() && !isLocked(out: "x/z"))
    withExtendedLifetime(locks) {}
  }

  @Test func shardsOfOneRunDoNotExcludeOneAnother() throws {
    let locks = try [lock("", shard: (1, 3)), lock("", shard: (3, 3))]
    #expect(!isLocked(shard: (2, 3)))
    #expect(isLocked(shard: (1, 3)) && isLocked(), "the same shard, and the whole")
    #expect(isLocked(shard: (1, 6)) && !isLocked(shard: (3, 6)), "shards of another count")
    withExtendedLifetime(locks) {}
  }

  @Test func filesNamedOneByOneShareTheLockAndExcludeTheFolder() throws {
    let locks = try lock("a.jpg", "b.jpg")
    #expect(locks.count == 1)
    #expect(!isLocked("b.jpg") && isLocked())
    withExtendedLifetime(locks) {}
  }

  @Test func aFolderNamedTwiceIsLockedOnce() throws {
    try folder.link("again", to: ".")
    #expect(try lock("", "again", "a.jpg").count == 1)
  }

  @Test func filesOfAListLockTheFolderTheyWereFoundIn() {
    func scopes(_ list: String, out: FilePath? = nil) -> [OutputLock.LockScope] {
      var selection = Selection(paths: [])
      selection.list = PathList(Array(list.utf8), zeroTerminated: false)
      return OutputLock.scopes(selection, out: out)
    }
    let root = folder.filePath
    #expect(scopes("\(root)/./a.jpg\n\(root)/./b.jpg") == [.init(folder: root, isShared: false)])
    #expect(scopes("\(root)/a.jpg").isEmpty)
    #expect(scopes("\(root)/a.jpg", out: "out") == [.init(folder: "out", isShared: false)])
  }

  @Test func waitingEndsWithTheOtherRun() throws {
    var locks = try lock("")
    let waited = try lock("", mode: .wait) { path in
      #expect(path.fileName == ".m2fp.lock")
      locks.removeAll()
    }
    #expect(waited.count == 1 && locks.isEmpty)
  }

  @Test func waitingEndsWithTheTimeLimit() throws {
    let locks = try lock("")
    #expect(
      try lock("", mode: .wait, cancellation: Cancellation(timeLimit: .milliseconds(1))).isEmpty)
    #expect(try lock("", mode: .off).isEmpty)
    withExtendedLifetime(locks) {}
  }

  @Test func manyThatComeAndGoLeaveNothingAndNeverOverlap() async throws {
    let inside = LockedCount()
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask {
          try await onOwnThread {
            for _ in 0..<5 {
              let locks = try lock("", mode: .wait)
              #expect(locks.count == 1)
              inside.enter()
              inside.leave()
              withExtendedLifetime(locks) {}
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(inside.most == 1)
    #expect(try folder.tree().keys.sorted() == ["a.jpg", "b.jpg"])
  }
}

private final class LockedCount: Sendable {
  private let state = Locked((now: 0, most: 0))

  func enter() { state.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) } }
  func leave() { state.withLock { $0.now -= 1 } }
  var most: Int { state.withLock { $0.most } }
}
