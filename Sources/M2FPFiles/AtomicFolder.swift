import Foundation
import M2FPCore
import SystemPackage

/// Folder written whole: it is filled under a temporary name and appears whole, in place of an
/// earlier export.
package final class AtomicFolder {
  /// Files of one photo, by their paths below the folder.
  package struct Record: Sendable {
    package enum Content: Sendable {
      case bytes([UInt8])
      /// A symbolic link to this path.
      case link(FilePath)
    }

    package var files: [(path: FilePath, content: Content)] = []

    package init(files: [(path: FilePath, content: Content)] = []) {
      self.files = files
    }
  }

  /// Lies in every export, so that one is never taken for a folder of something else. Locked while
  /// the export is made.
  private static let marker: FilePath.Component = ".m2fp-export"
  private static let prefix = ".m2fp-export-"

  private let path: FilePath
  private let temporary: FilePath
  private let folder: OpenFolder
  private let lock: FileDescriptor
  private var isFinished = false

  /// - Parameter path: Where the folder will be.
  /// - Throws: ``FileFailure`` of stage `write`, also if something else is there.
  package init(_ path: FilePath) throws(FileFailure) {
    self.path = path
    try AtomicFiles.makeFolder(path.folder)
    try Self.checkReplaceable(path)
    Self.removeLeftovers(in: path.folder)
    temporary = path.folder.appending(
      Self.prefix + String(UInt64.random(in: .min ... .max), radix: 36) + ".tmp")
    guard temporary.withPlatformString({ mkdir($0, 0o777) }) == 0 else {
      throw AtomicFiles.failure(Errno(rawValue: errno), temporary)
    }
    do throws(Errno) {
      folder = try OpenFolder(temporary)
      lock = try folder.create(Self.marker, mode: 0o666)
    } catch {
      throw AtomicFiles.failure(error, temporary)
    }
    flock(lock.rawValue, LOCK_EX | LOCK_NB)
  }

  deinit {
    if !isFinished { Self.remove(temporary) }
    try? lock.close()
  }

  /// Whether an export may be put at `path`: there is nothing, an empty folder, or an export.
  ///
  /// - Throws: ``FileFailure`` with the remedy.
  package static func checkReplaceable(_ path: FilePath) throws(FileFailure) {
    var status = stat()
    guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFDIR, let folder = try? OpenFolder(path),
      folder.status(of: marker) != nil || folder.names().isEmpty
    {
      return
    }
    throw FileFailure(
      stage: .write, code: .outputNotWritable,
      message: "\(path) is there and is no export of m2fp: name another folder, or remove it")
  }

  package func add(_ record: Record) throws(FileFailure) {
    for (name, content) in record.files {
      let target = temporary.appending(name.components)
      do throws(Errno) {
        guard let last = name.lastComponent else { throw .invalidArgument }
        let folder = try folder.folder(at: name.removingLastComponent(), making: true)
        switch content {
        case .bytes(let bytes):
          let file = try folder.create(last, mode: 0o666)
          defer { try? file.close() }
          do {
            try file.writeAll(bytes)
          } catch {
            throw error as? Errno ?? .ioError
          }
        case .link(let destination):
          try folder.link(last, to: destination)
        }
      } catch {
        throw AtomicFiles.failure(error, target)
      }
    }
  }

  package func finish() throws(FileFailure) {
    // One for all: hundreds of thousands of files are synced in one go, or not in a night.
    sync()
    try Self.checkReplaceable(path)
    let old = temporary.folder.appending(name: temporary.name + Array(".old".utf8))
    // The folder is away for the moment between two renames, and never half there.
    guard Self.rename(path, old) == 0 || errno == ENOENT else {
      throw AtomicFiles.failure(Errno(rawValue: errno), path)
    }
    guard Self.rename(temporary, path) == 0 else {
      let code = Errno(rawValue: errno)
      _ = Self.rename(old, path)
      throw AtomicFiles.failure(code, path)
    }
    isFinished = true
    Self.remove(old)
  }

  private static func rename(_ path: FilePath, _ new: FilePath) -> Int32 {
    path.withPlatformString { path in new.withPlatformString { Foundation.rename(path, $0) } }
  }

  /// Removes what killed exports have left in a folder.
  private static func removeLeftovers(in path: FilePath) {
    guard let folder = try? OpenFolder(path) else { return }
    for name in folder.names() where name.bytes.starts(with: prefix.utf8) {
      guard let leftover = try? folder.folder(named: name, making: false),
        let marker = try? leftover.open(marker, .writeOnly)
      else { continue }
      if flock(marker.rawValue, LOCK_EX | LOCK_NB) == 0 {
        leftover.removeContents()
        folder.removeEmptyFolder(name)
      }
      try? marker.close()
    }
  }

  private static func remove(_ path: FilePath) {
    (try? OpenFolder(path))?.removeContents()
    _ = path.withPlatformString { rmdir($0) }
  }
}
