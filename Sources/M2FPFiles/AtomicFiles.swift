import FoundationEssentials
import Glibc
import M2FPCore
import SystemPackage

/// Set of files that appear together, so that a reader, or a crash, never sees half of one.
///
/// Each file is written to a temporary name in its own folder, synced, and renamed only when all are
/// complete. A temporary file is locked as long as its writer lives, which is how a later run tells
/// leftovers of a killed one (``removeLeftovers(in:andFoldersEnding:)``). Files lie in `folder` and below.
/// As a temporary file in `folder` is the first to come and the last to go, a listing of `folder` alone
/// shows whether there are leftovers anywhere below.
package struct AtomicFiles: ~Copyable {
  private struct Pending {
    let folder: OpenFolder
    let temporary: FilePath.Component
    let final: FilePath.Component
    let descriptor: FileDescriptor

    var path: FilePath { folder.path.appending(final) }
  }

  /// The folder that the set lies in, once a file was written.
  package private(set) var root: OpenFolder?
  private let path: FilePath
  private let rule: LinkRule
  private let access: FileAccess
  private var pending: [Pending] = []
  /// An empty temporary file in the set's folder, as long as there may be others below it alone.
  private var mark: (name: FilePath.Component, descriptor: FileDescriptor)?

  /// - Parameters:
  ///   - folder: Where the first and the last file go; made with the first.
  ///   - rule: Which links on the way to it are followed.
  ///   - access: Who may read and write the files.
  package init(
    in folder: FilePath, following rule: LinkRule = .all, access: FileAccess = .standard
  ) {
    path = folder
    self.rule = rule
    self.access = access
  }

  deinit {
    guard let root else { return }
    let below = pending.filter { $0.folder !== root }
    for file in below { file.folder.remove(file.temporary) }
    // Fails, as it should, when anything is left in it.
    for made in Set(below.map(\.folder.path)) { Self.removeEmpty(made, below: root) }
    for file in pending {
      file.folder.remove(file.temporary)
      try? file.descriptor.close()
    }
    if let mark {
      root.remove(mark.name)
      try? mark.descriptor.close()
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

  /// Writes `bytes` to a temporary file that ``commit(syncing:)`` will rename to `name`, whose folder
  /// is made if need be.
  ///
  /// Where they lie in a file of the same file system, and it can share blocks, nothing is copied.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - name: The path below the set's folder.
  ///   - original: Where the bytes lie already.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package mutating func write(
    _ bytes: UnsafeRawBufferPointer, to name: FilePath, sharing original: Original? = nil
  ) throws(FileFailure) {
    let target = path.appending(name.components)
    guard let final = name.lastComponent else { throw Self.failure(.invalidArgument, target) }
    let root = try openRoot()
    let folder: OpenFolder
    let below = name.removingLastComponent()
    if pending.isEmpty, mark == nil, !below.isEmpty {
      let (descriptor, name) = try Self.create(in: root, access: access)
      mark = (name, descriptor)
    }
    do throws(Errno) {
      if below.isEmpty {
        folder = root
      } else if let known = known(below) {
        folder = known
      } else {
        folder = try root.folder(at: below, making: true, mode: access.folderMode)
      }
    } catch {
      throw Self.failure(error, target)
    }
    let (descriptor, temporary) = try Self.create(in: folder, access: access)
    pending.append(
      Pending(folder: folder, temporary: temporary, final: final, descriptor: descriptor))
    if let original, Self.share(original, bytes.count, descriptor.rawValue) { return }
    do {
      try descriptor.writeAll(bytes)
    } catch {
      throw Self.failure(error as? Errno ?? .ioError, target)
    }
  }

  /// Writes `text` to a temporary file that ``commit(syncing:)`` will rename to `name`.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package mutating func write(_ text: Data, to name: FilePath) throws(FileFailure) {
    let bytes = [UInt8](text)
    let written = bytes.withUnsafeBytes { bytes in
      Result { () throws(FileFailure) in try write(bytes, to: name) }
    }
    try written.get()
  }

  private mutating func openRoot() throws(FileFailure) -> OpenFolder {
    if let root { return root }
    var attempts = 0
    while true {
      do throws(Errno) {
        let opened = try OpenFolder(path, following: rule, making: true)
        root = opened
        return opened
      } catch {
        // More than once, as another run may remove a folder that is still empty.
        guard error == .noSuchFileOrDirectory || error == .notDirectory, attempts < 3 else {
          throw error == .notDirectory ? Self.inTheWay(path) : Self.failure(error, path)
        }
        attempts += 1
        try Self.makeFolder(rule.named(path))
      }
    }
  }

  /// A folder of the set that is open already.
  private func known(_ below: FilePath) -> OpenFolder? {
    let wanted = path.appending(below.components)
    return pending.last { $0.folder.path == wanted }?.folder
  }

  /// `FICLONERANGE`, macros that Swift does not see: `_IOW(0x94, 13, struct file_clone_range)`.
  private static func share(_ original: Original, _ size: Int, _ descriptor: Int32) -> Bool {
    var range = (
      source: Int64(original.descriptor), offset: UInt64(original.offset),
      length: UInt64((size + 4095) & ~4095), destination: UInt64(0)
    )
    return ioctl(descriptor, 0x4020_940D, &range) == 0 && ftruncate(descriptor, off_t(size)) == 0
  }

  /// Syncs what was written, so that ``commit(syncing:)`` renames only files that are whole on disk.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package func sync() throws(FileFailure) {
    // Starts to write all of them, without waiting, so that the first fsync's commit of the file
    // system's journal serves the others, too: half the time. (`sync_file_range` says just that, but
    // Swift does not see it.)
    for file in pending { posix_fadvise(file.descriptor.rawValue, 0, 0, POSIX_FADV_DONTNEED) }
    for file in pending {
      guard fsync(file.descriptor.rawValue) == 0 else {
        throw Self.failure(Errno(rawValue: errno), file.path)
      }
    }
  }

  /// Gives the file last written the modification time `time`.
  package mutating func stampLast(_ time: timespec) {
    guard let last = pending.last else { return }
    _ = [time, time].withUnsafeBufferPointer { futimens(last.descriptor.rawValue, $0.baseAddress) }
  }

  /// Renames all files into place, in the order in which they were written.
  ///
  /// - Parameter syncing: Whether the names are to outlast a crash of the machine.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``; what was not yet renamed is removed.
  package consuming func commit(syncing: Bool = true) throws(FileFailure) {
    var folders: [FilePath: OpenFolder] = [:]
    while let file = pending.first {
      do throws(Errno) {
        try file.folder.rename(file.temporary, to: file.final, in: file.folder)
      } catch {
        throw Self.failure(error, file.path)
      }
      try? file.descriptor.close()
      pending.removeFirst()
      folders[file.folder.path] = file.folder
    }
    if syncing { for folder in folders.values { folder.sync() } }
  }

  // MARK: - Leftovers

  /// Removes temporary files whose writer is gone, in `folder` and in some of the folders in it.
  ///
  /// - Parameters:
  ///   - folder: Where the first and the last file of a set go.
  ///   - suffix: How the names of folders end that other files of a set go to. They are looked into
  ///     only where `folder` itself holds a leftover.
  ///   - rule: Which links on the way to `folder` are followed.
  package static func removeLeftovers(
    in folder: FilePath, andFoldersEnding suffix: String? = nil, following rule: LinkRule = .all
  ) {
    guard let folder = try? OpenFolder(folder, following: rule) else { return }
    let names = folder.names()
    let dead = names.filter(isTemporary).compactMap { name in
      lockLeftover(name, in: folder).map { (name, $0) }
    }
    if dead.isEmpty { return }
    for name in names where suffix.map(name.bytes.ends) ?? false {
      if let below = try? folder.folder(named: name, making: false) {
        removeLeftovers(below: below, depth: 1)
        folder.removeEmptyFolder(name)
      }
    }
    for (name, descriptor) in dead {
      folder.remove(name)
      try? descriptor.close()
    }
  }

  /// Sets lie two folders deep, and no deeper.
  private static func removeLeftovers(below folder: OpenFolder, depth: Int) {
    for name in folder.names() {
      if isTemporary(name) {
        guard let descriptor = lockLeftover(name, in: folder) else { continue }
        folder.remove(name)
        try? descriptor.close()
      } else if depth > 0, let below = try? folder.folder(named: name, making: false) {
        removeLeftovers(below: below, depth: depth - 1)
        folder.removeEmptyFolder(name)
      }
    }
  }

  /// Removes a folder and those above it, up to `root`, as far as they are empty.
  private static func removeEmpty(_ folder: FilePath, below root: OpenFolder) {
    guard var relative = folder.below(root.path) else { return }
    while let name = relative.lastComponent {
      relative.removeLastComponent()
      guard let parent = try? root.folder(at: relative, making: false),
        parent.removeEmptyFolder(name)
      else { return }
    }
  }

  private static let prefix = ".m2fp-"
  private static let suffix = ".tmp"

  private static func isTemporary(_ name: FilePath.Component) -> Bool {
    let bytes = name.bytes
    return bytes.starts(with: prefix.utf8) && bytes.ends(with: suffix)
  }

  /// Locks a temporary file, which succeeds only when its writer is gone.
  private static func lockLeftover(
    _ name: FilePath.Component, in folder: OpenFolder
  ) -> FileDescriptor? {
    guard let descriptor = try? folder.open(name, .writeOnly) else { return nil }
    if flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 { return descriptor }
    try? descriptor.close()
    return nil
  }

  /// Makes `folder` if need be, and tries to write in it.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  package static func checkWritable(
    _ folder: FilePath, for destination: RunFailure.Destination = .results,
    following rule: LinkRule = .all
  ) throws(RunFailure) {
    do throws(FileFailure) {
      // A run that was killed right here, where no output may ever go.
      removeLeftovers(in: folder, following: rule)
      var files = AtomicFiles(in: folder, following: rule)
      // Dropped without a commit: the temporary file goes again.
      try files.write(UnsafeRawBufferPointer(start: nil, count: 0), to: "test")
    } catch {
      throw .notWritable(destination, error)
    }
  }

  /// Makes a folder and those above it; whoever makes it first wins.
  package static func makeFolder(
    _ path: FilePath, mode: mode_t = 0o777
  ) throws(FileFailure) {
    func make() -> Int32 { path.withPlatformString { mkdir($0, mode) } }
    if make() == 0 || errno == EEXIST {
      if case .folder = FileKind(path) { return }
      throw inTheWay(path)
    }
    let parent = path.folder
    guard errno == ENOENT, parent != path else { throw failure(Errno(rawValue: errno), path) }
    try makeFolder(parent)
    guard make() == 0 || errno == EEXIST else { throw failure(Errno(rawValue: errno), path) }
  }

  private static func inTheWay(_ path: FilePath) -> FileFailure {
    FileFailure(
      stage: .write, code: .outputNotWritable, message: "\(path) is in the way: it is not a folder")
  }

  /// How often a name is tried that is taken, or that another run takes for a leftover: names of 64
  /// random bits never meet, so that something else is wrong.
  private static let attempts = 16

  /// Makes a temporary file, open for reading and writing and locked.
  ///
  /// - Returns: Its descriptor and name.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package static func create(
    in folder: OpenFolder, access: FileAccess = .standard
  ) throws(FileFailure) -> (FileDescriptor, FilePath.Component) {
    var reason = Errno.fileExists
    for _ in 0..<attempts {
      let text = prefix + String(UInt64.random(in: .min ... .max), radix: 36) + suffix
      guard let name = FilePath.Component(text) else { preconditionFailure("it is a name") }
      let descriptor: FileDescriptor
      do throws(Errno) {
        descriptor = try folder.create(name, mode: access.mode)
      } catch {
        reason = error
        if error == .fileExists { continue }
        break
      }
      // Between creation and lock another run may have taken the file for a leftover.
      var status = stat()
      // Where there are no locks nobody can take it, either.
      let isOurs = flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
      if isOurs, fstat(descriptor.rawValue, &status) == 0, status.st_nlink > 0 {
        access.confine(descriptor)
        return (descriptor, name)
      }
      folder.remove(name)
      try? descriptor.close()
    }
    throw failure(reason, folder.path.appending("temporary file"))
  }

  package static func failure(_ code: Errno, _ path: FilePath) -> FileFailure {
    .writing(path, code)
  }
}
