import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Keeps two runs from writing under one folder at the same time.
///
/// A lock is a byte range of the hidden file `.m2fp.lock` in that folder, by `fcntl`'s open file
/// description locks: the kernel releases them however the process ends, and they work over NFS. The
/// bytes stand for the hashes of relative paths (``Shard``), so that the shards of one run, which are
/// disjoint ranges, do not exclude one another, and everything that overlaps does. Runs over files
/// that were named one by one share the lock among themselves. The last run
/// to leave removes the file.
public final class OutputLock: Sendable {
  /// What to do when another run holds the lock.
  public enum Mode: String, Sendable, CaseIterable {
    case wait, fail, off
  }

  /// `F_OFD_SETLK`, a macro that Swift does not see; the same on all of Linux's architectures.
  private static let setLock: Int32 = 37

  private let path: FilePath
  private let descriptor: Int32

  /// A folder to lock.
  struct LockScope: Equatable {
    let folder: FilePath
    /// Whether others may share it.
    let isShared: Bool
  }

  /// The folders under which a run over these inputs writes.
  ///
  /// Files of a list that tells no folder lie anywhere: if they get their outputs beside them,
  /// nothing is locked for them.
  static func scopes(_ selection: Selection, out: FilePath?) -> [LockScope] {
    var scopes: [LockScope] = []
    for path in selection.paths {
      switch FileKind(path) {
      case .folder: scopes.append(LockScope(folder: path, isShared: false))
      case .file: scopes.append(LockScope(folder: path.folder, isShared: true))
      default: break
      }
    }
    for root in Set(selection.list?.entries.compactMap(\.root) ?? []) {
      if case .folder = FileKind(root) { scopes.append(LockScope(folder: root, isShared: false)) }
    }
    let isShared = selection.list == nil && scopes.allSatisfy(\.isShared)
    guard let out else { return scopes }
    return [LockScope(folder: out, isShared: isShared)]
  }

  /// Locks the output folders of a run.
  ///
  /// - Parameters:
  ///   - selection: What the run parses.
  ///   - out: The folder for all outputs, if there is one; made if need be.
  ///   - mode: Whether to wait for another run, or to fail.
  ///   - cancellation: Ends the waiting.
  ///   - onWait: Called before waiting, with the file that another run holds.
  /// - Returns: The locks, to be kept as long as the run lasts; not all of them when `cancellation`
  ///   ended the waiting.
  /// - Throws: ``RunFailure``: another run holds a lock (``RunFailure/Kind/temporary``), or a folder
  ///   cannot be written (``RunFailure/Kind/outputNotWritable``).
  public static func acquire(
    _ selection: Selection, out: FilePath?, mode: Mode, cancellation: Cancellation,
    onWait: (FilePath) -> Void
  ) throws(RunFailure) -> [OutputLock] {
    guard mode != .off else { return [] }
    // One lock for a folder however often it is named, and always in the same order, so that two
    // runs never wait for each other.
    var folders: [FileIdentity: LockScope] = [:]
    for scope in scopes(selection, out: out) {
      do throws(FileFailure) {
        try AtomicFiles.makeFolder(scope.folder)
      } catch {
        throw .notWritable(.results, error)
      }
      guard case .folder(let identity) = FileKind(scope.folder) else { continue }
      if folders[identity]?.isShared ?? true { folders[identity] = scope }
    }
    let order = folders.sorted { ($0.key.device, $0.key.inode) < ($1.key.device, $1.key.inode) }
    var locks: [OutputLock] = []
    for (_, scope) in order {
      let lock = try acquire(
        scope, range: selection.shard?.range ?? 0..<Shard.positions, mode: mode,
        cancellation: cancellation, onWait: onWait)
      guard let lock else { break }
      locks.append(lock)
    }
    return locks
  }

  /// Locks one folder; nil when `cancellation` ended the waiting.
  private static func acquire(
    _ scope: LockScope, range: Range<Int>, mode: Mode, cancellation: Cancellation,
    onWait: (FilePath) -> Void
  ) throws(RunFailure) -> OutputLock? {
    let path = scope.folder.appending(".m2fp.lock")
    var attempts = 0
    while true {
      let descriptor = path.withPlatformString {
        open($0, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
      }
      guard descriptor >= 0 else {
        let code = errno
        // Where nobody writes there is nothing to keep apart, and if all is current, no failure.
        if scope.folder.withPlatformString({ access($0, W_OK) }) != 0 {
          return OutputLock(path: path, descriptor: -1)
        }
        throw failure(code, path)
      }
      let isLocked = setLock(scope.isShared ? F_RDLCK : F_WRLCK, range, descriptor) == 0
      let code = errno
      // Between opening and locking, the last holder may have removed the file: or somebody who does so
      // again and again.
      if isLocked, isStillThere(path, descriptor) {
        return OutputLock(path: path, descriptor: descriptor)
      }
      close(descriptor)
      guard isLocked || code == EAGAIN || code == EACCES else { throw failure(code, path) }
      attempts += 1
      // A run that ends holds the whole lock for a moment, also against other shards.
      if mode == .fail && attempts == 10 {
        throw RunFailure(
          .temporary,
          "another run of m2fp writes in '\(scope.folder)' (it holds \(path))", detail: .locked)
      }
      if mode == .wait && attempts == 10 { onWait(path) }
      if cancellation.isCancelled { return nil }
      // A blocking lock would not hear of a signal or of the end of the run's time.
      usleep(attempts < 10 ? 20_000 : 200_000)
    }
  }

  private init(path: FilePath, descriptor: Int32) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    if descriptor < 0 { return }
    // Only who can have it all is alone, and may remove it. Two that leave together each let go
    // first, so that one of them can.
    let all = 0..<Shard.positions
    _ = Self.setLock(F_UNLCK, all, descriptor)
    if Self.setLock(F_WRLCK, all, descriptor) == 0, Self.isStillThere(path, descriptor) {
      _ = path.withPlatformString { unlink($0) }
    }
    close(descriptor)
  }

  private static func setLock(_ type: Int32, _ range: Range<Int>, _ descriptor: Int32) -> Int32 {
    var lock = Glibc.flock()
    lock.l_type = Int16(type)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = off_t(range.lowerBound)
    lock.l_len = off_t(range.count)
    return fcntl(descriptor, setLock, &lock)
  }

  private static func isStillThere(_ path: FilePath, _ descriptor: Int32) -> Bool {
    var (ours, named) = (stat(), stat())
    return fstat(descriptor, &ours) == 0 && path.withPlatformString({ stat($0, &named) }) == 0
      && ours.st_ino == named.st_ino && ours.st_dev == named.st_dev
  }

  private static func failure(_ code: Int32, _ path: FilePath) -> RunFailure {
    let error = Errno(rawValue: code)
    return RunFailure(
      .outputNotWritable, "cannot lock \(path): \(error.reason)", detail: .notLockable,
      underlying: error)
  }
}
