import Foundation
import M2FPCore
import SystemPackage

/// Writes a set of files so that a reader, or a crash, never sees half of one.
///
/// Each file is written to a temporary name in its own folder, synced, and renamed only when all are
/// complete. A temporary file is locked as long as its writer lives, which is how a later run tells
/// leftovers of a killed one (``removeLeftovers(in:)``). The first and the last file lie in
/// `folder`, others there or below. As a temporary file in `folder` is the first to come and the last
/// to go, a listing of `folder` alone shows whether there are leftovers anywhere below.
package struct AtomicFiles: ~Copyable {
  private struct Pending {
    let temporary: String
    let final: String
    let descriptor: Int32
  }

  package static let prefix = ".m2fp-"
  package static let suffix = ".tmp"

  private let folder: String
  private var pending: [Pending] = []

  /// - Parameter folder: Where the first and the last file go.
  package init(in folder: String) {
    self.folder = folder
  }

  deinit {
    let below = pending.filter { Paths.folder($0.final) != folder }
    for file in below { unlink(file.temporary) }
    // Fails, as it should, when anything is left in it.
    for made in Set(below.map { Paths.folder($0.final) }) { Self.removeEmpty(made, below: folder) }
    for file in pending {
      unlink(file.temporary)
      close(file.descriptor)
    }
  }

  /// Where bytes lie in a file already: at a multiple of 4 KiB, and padded to one.
  package struct Original {
    package let descriptor: Int32
    package let offset: Int

    package init(descriptor: Int32, offset: Int) {
      self.descriptor = descriptor
      self.offset = offset
    }
  }

  /// Writes `bytes` to a temporary file that ``commit()`` will rename to `path`, whose folder is made
  /// if need be.
  ///
  /// Where they lie in a file of the same file system, and it can share blocks, nothing is copied.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package mutating func write(
    _ bytes: UnsafeRawBufferPointer, to path: String, sharing original: Original? = nil
  ) throws(FileFailure) {
    let (descriptor, temporary) = try Self.create(in: Paths.folder(path))
    pending.append(Pending(temporary: temporary, final: path, descriptor: descriptor))
    if let original, Self.share(original, bytes.count, descriptor) { return }
    var rest = bytes
    while !rest.isEmpty {
      let written = Foundation.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 {
        if errno == EINTR { continue }
        throw Self.failure(errno, path)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }

  /// `FICLONERANGE`, macros that Swift does not see: `_IOW(0x94, 13, struct file_clone_range)`.
  private static func share(_ original: Original, _ size: Int, _ descriptor: Int32) -> Bool {
    var range = (
      source: Int64(original.descriptor), offset: UInt64(original.offset),
      length: UInt64((size + 4095) & ~4095), destination: UInt64(0)
    )
    return ioctl(descriptor, 0x4020_940D, &range) == 0 && ftruncate(descriptor, off_t(size)) == 0
  }

  /// Syncs what was written, so that ``commit()`` renames only files that are whole on disk.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package func sync() throws(FileFailure) {
    // Starts to write all of them, without waiting, so that the first fsync's commit of the file
    // system's journal serves the others, too: half the time. (`sync_file_range` says just that, but
    // Swift does not see it.)
    for file in pending { posix_fadvise(file.descriptor, 0, 0, POSIX_FADV_DONTNEED) }
    for file in pending {
      guard fsync(file.descriptor) == 0 else { throw Self.failure(errno, file.final) }
    }
  }

  /// Writes `text` to a temporary file that ``commit()`` will rename to `path`.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package mutating func write(_ text: Data, to path: String) throws(FileFailure) {
    let bytes = [UInt8](text)
    let written = bytes.withUnsafeBytes { bytes in
      Result { () throws(FileFailure) in try write(bytes, to: path) }
    }
    try written.get()
  }

  /// Gives the file last written the modification time `time`.
  package mutating func stampLast(_ time: timespec) {
    guard let last = pending.last else { return }
    _ = [time, time].withUnsafeBufferPointer { futimens(last.descriptor, $0.baseAddress) }
  }

  /// Renames all files into place, in the order in which they were written.
  ///
  /// - Parameter syncing: Whether the names are to outlast a crash of the machine.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``; what was not yet renamed is removed.
  package consuming func commit(syncing: Bool = true) throws(FileFailure) {
    var folders: Set<String> = []
    while let file = pending.first {
      guard rename(file.temporary, file.final) == 0 else { throw Self.failure(errno, file.final) }
      close(file.descriptor)
      pending.removeFirst()
      folders.insert(Paths.folder(file.final))
    }
    if !syncing { return }
    for folder in folders {
      let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
      guard descriptor >= 0 else { continue }
      fsync(descriptor)
      close(descriptor)
    }
  }

  /// Removes temporary files whose writer is gone, in `folder` and in some of the folders in it.
  ///
  /// - Parameters:
  ///   - folder: Where the first and the last file of a set go.
  ///   - suffix: How the names of folders end that other files of a set go to. They are looked into
  ///     only where `folder` itself holds a leftover.
  package static func removeLeftovers(in folder: String, andFoldersEnding suffix: String? = nil) {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
    let dead = names.filter(isTemporary).compactMap { lockLeftover(Paths.join(folder, $0)) }
    if dead.isEmpty { return }
    for name in names where suffix.map(name.hasSuffix) ?? false {
      let masks = Paths.join(folder, name)
      for below in (try? FileManager.default.subpathsOfDirectory(atPath: masks)) ?? [] {
        guard isTemporary(Paths.lastComponent(below)),
          let leftover = lockLeftover(Paths.join(masks, below))
        else { continue }
        unlink(leftover.path)
        close(leftover.descriptor)
        removeEmpty(Paths.folder(leftover.path), below: folder)
      }
      rmdir(masks)
    }
    for leftover in dead {
      unlink(leftover.path)
      close(leftover.descriptor)
    }
  }

  /// Makes `folder` if need be, and tries to write in it.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  package static func checkWritable(
    _ folder: String, for destination: RunFailure.Destination = .results
  ) throws(RunFailure) {
    do throws(FileFailure) {
      try makeFolder(folder)
      // A run that was killed right here, where no output may ever go.
      removeLeftovers(in: folder)
      var files = AtomicFiles(in: folder)
      // Dropped without a commit: the temporary file goes again.
      try files.write(UnsafeRawBufferPointer(start: nil, count: 0), to: Paths.join(folder, "test"))
    } catch {
      throw .notWritable(destination, error)
    }
  }

  /// Removes a folder and those above it, up to `root`, as far as they are empty.
  private static func removeEmpty(_ folder: String, below root: String) {
    var folder = folder
    while folder != root, rmdir(folder) == 0 { folder = Paths.folder(folder) }
  }

  private static func isTemporary(_ name: String) -> Bool {
    name.hasPrefix(prefix) && name.hasSuffix(suffix)
  }

  /// Locks a temporary file, which succeeds only when its writer is gone.
  private static func lockLeftover(_ path: String) -> (path: String, descriptor: Int32)? {
    let descriptor = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return (path, descriptor) }
    close(descriptor)
    return nil
  }

  /// Makes a folder and those above it; whoever makes it first wins.
  package static func makeFolder(_ path: String) throws(FileFailure) {
    if mkdir(path, 0o777) == 0 || errno == EEXIST {
      if case .folder = FileKind(path) { return }
      throw FileFailure(
        stage: .write, code: .outputNotWritable,
        message: "\(path) is in the way: it is not a folder")
    }
    let parent = Paths.folder(path)
    guard errno == ENOENT, parent != path else { throw failure(errno, path) }
    try makeFolder(parent)
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw failure(errno, path) }
  }

  /// Makes a temporary file, open for reading and writing and locked.
  ///
  /// - Returns: Its descriptor and path.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package static func create(in folder: String) throws(FileFailure) -> (Int32, String) {
    var attempts = 0
    while true {
      let name = prefix + String(UInt64.random(in: .min ... .max), radix: 36) + suffix
      let path = Paths.join(folder, name)
      let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else {
        if errno == EEXIST { continue }
        // More than once, as another run may remove a folder that is still empty.
        guard errno == ENOENT || errno == ENOTDIR, attempts < 3 else { throw failure(errno, path) }
        attempts += 1
        try makeFolder(folder)
        continue
      }
      // Between creation and lock another run may have taken the file for a leftover.
      var status = stat()
      // Where there are no locks nobody can take it, either.
      let isOurs = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
      if isOurs, fstat(descriptor, &status) == 0, status.st_nlink > 0 {
        return (descriptor, path)
      }
      unlink(path)
      close(descriptor)
    }
  }

  package static func failure(_ code: Int32, _ path: String) -> FileFailure {
    .writing(FilePath(path), Errno(rawValue: code))
  }
}
