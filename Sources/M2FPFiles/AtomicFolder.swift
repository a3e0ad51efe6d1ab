import Glibc
import M2FPCore
import SystemPackage

/// Folder written whole: it is filled under a temporary name and appears whole, in place of an
/// earlier export.
package final class AtomicFolder {
  /// Files of one photo, by their paths below the folder.
  package struct Record: Sendable {
    package enum Content: Sendable {
      case bytes([UInt8])
      /// What is in another file, which is found by the rule, for those who may read that.
      case copy(FilePath, LinkRule)
    }

    package var files: [(path: FilePath, content: Content)] = []

    package init(files: [(path: FilePath, content: Content)] = []) {
      self.files = files
    }
  }

  /// Lies in every export, so that one is never taken for a folder of something else. Locked while
  /// the export is made.
  package static let marker: FilePath.Component = ".m2fp-export"
  private static let prefix = ".m2fp-export-"

  private let path: FilePath
  private let name: FilePath.Component
  private let temporary: FilePath.Component
  /// The folder that the export appears in: no name in it is followed where it is a link.
  private let parent: OpenFolder
  private let folder: OpenFolder
  private let lock: FileDescriptor
  private var isFinished = false

  /// - Parameter path: Where the folder will be.
  /// - Throws: ``FileFailure`` of stage `write`, also if something else is there.
  package init(_ path: FilePath) throws(FileFailure) {
    self.path = path
    try AtomicFiles.makeFolder(path.folder)
    try Self.checkReplaceable(path)
    let random = Self.prefix + String(UInt64.random(in: .min ... .max), radix: 36) + ".tmp"
    do throws(Errno) {
      guard let name = path.lastComponent, name.kind == .regular,
        let temporary = FilePath.Component(random)
      else { throw .invalidArgument }
      (self.name, self.temporary) = (name, temporary)
      parent = try OpenFolder(path.folder)
      Self.removeLeftovers(in: parent)
      folder = try parent.folder(named: temporary, making: true)
      lock = try folder.create(Self.marker, mode: 0o666)
    } catch {
      throw AtomicFiles.failure(error, path)
    }
    flock(lock.rawValue, LOCK_EX | LOCK_NB)
  }

  deinit {
    if !isFinished { Self.remove(temporary, in: parent) }
    try? lock.close()
  }

  /// Whether an export may be put at `path`: there is nothing, an empty folder, or an export.
  ///
  /// - Throws: ``FileFailure`` with the remedy.
  package static func checkReplaceable(_ path: FilePath) throws(FileFailure) {
    guard let name = path.lastComponent, let parent = try? OpenFolder(path.folder) else { return }
    try checkReplaceable(name, in: parent)
  }

  private static func checkReplaceable(
    _ name: FilePath.Component, in parent: OpenFolder
  ) throws(FileFailure) {
    guard parent.status(of: name) != nil else { return }
    if let folder = try? parent.folder(named: name, making: false),
      folder.status(of: marker) != nil || folder.names().isEmpty
    {
      return
    }
    throw FileFailure(
      stage: .write, code: .outputNotWritable,
      message: "\(parent.path.appending(name)) is there and is no export of m2fp: name another "
        + "folder, or remove it")
  }

  /// Writes the files of one photo.
  ///
  /// - Parameters:
  ///   - record: The files.
  ///   - access: Who may read the photo, and so them.
  /// - Throws: ``FileFailure`` of stage `write`.
  package func add(_ record: Record, for access: FileAccess = .standard) throws(FileFailure) {
    for (name, content) in record.files {
      let target = folder.path.appending(name.components)
      do throws(Errno) {
        guard let last = name.lastComponent else { throw .invalidArgument }
        let folder = try folder.folder(at: name.removingLastComponent(), making: true)
        switch content {
        case .bytes(let bytes):
          let file = try folder.create(last, mode: access.mode)
          defer { try? file.close() }
          access.confine(file)
          do {
            try file.writeAll(bytes)
          } catch {
            throw error as? Errno ?? .ioError
          }
        case .copy(let path, let rule):
          try copy(path, rule, to: last, in: folder)
        }
      } catch {
        throw AtomicFiles.failure(error, target)
      }
    }
  }

  /// Begins a file of the folder that is written bit by bit; it is committed before ``finish()``.
  ///
  /// - Throws: ``FileFailure`` of stage `write`.
  package func streamedFile(
    named name: FilePath.Component
  ) throws(FileFailure) -> StreamedFile {
    try StreamedFile(name, in: folder, path: path.appending(name))
  }

  private func copy(
    _ path: FilePath, _ rule: LinkRule, to name: FilePath.Component, in folder: OpenFolder
  ) throws(Errno) {
    let source = Descriptor(try rule.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY))
    var status = stat()
    guard fstat(source.raw, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .invalidArgument
    }
    let access = FileAccess(like: status)
    let target = Descriptor(try folder.create(name, mode: access.mode))
    access.confine(target.file)
    // `FICLONE`, a macro that Swift does not see: `_IOW(0x94, 9, int)`.
    if ioctl(target.raw, 0x4004_9409, source.raw) == 0 { return }
    var block = [UInt8](repeating: 0, count: 1 << 20)
    do {
      while case let count = try block.withUnsafeMutableBytes({ try source.file.read(into: $0) }),
        count > 0
      {
        try target.file.writeAll(block[..<count])
      }
    } catch {
      throw Errno(error)
    }
  }

  package func finish() throws(FileFailure) {
    // One for all: hundreds of thousands of files are synced in one go, or not in a night.
    sync()
    try Self.checkReplaceable(name, in: parent)
    guard let old = FilePath.Component(temporary.string + ".old") else {
      preconditionFailure("it is a name")
    }
    // The folder is away for the moment between two renames, and never half there.
    do throws(Errno) {
      try parent.rename(name, to: old, in: parent)
    } catch {
      if error != .noSuchFileOrDirectory { throw AtomicFiles.failure(error, path) }
    }
    do throws(Errno) {
      try parent.rename(temporary, to: name, in: parent)
    } catch {
      try? parent.rename(old, to: name, in: parent)
      throw AtomicFiles.failure(error, path)
    }
    isFinished = true
    Self.remove(old, in: parent)
  }

  /// Removes what killed exports have left in a folder.
  private static func removeLeftovers(in folder: OpenFolder) {
    for name in folder.names() where name.bytes.starts(with: prefix.utf8) {
      guard let leftover = try? folder.folder(named: name, making: false),
        let marker = try? leftover.open(marker, .writeOnly)
      else { continue }
      if flock(marker.rawValue, LOCK_EX | LOCK_NB) == 0 { remove(name, in: folder) }
      try? marker.close()
    }
  }

  private static func remove(_ name: FilePath.Component, in parent: OpenFolder) {
    (try? parent.folder(named: name, making: false))?.removeContents()
    parent.removeEmptyFolder(name)
  }
}
