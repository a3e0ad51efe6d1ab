import Foundation
import M2FPCore

/// Folder written whole: it is filled under a temporary name and appears whole, in place of an earlier export.
package final class AtomicFolder {
  /// Files of one photo, by their paths below the folder.
  package struct Record: Sendable {
    package enum Content: Sendable {
      case bytes([UInt8])
      /// A symbolic link to this path.
      case link(String)
    }

    package var files: [(path: String, content: Content)] = []

    package init(files: [(path: String, content: Content)] = []) {
      self.files = files
    }
  }

  /// Lies in every export, so that one is never taken for a folder of something else. Locked while
  /// the export is made.
  private static let marker = ".m2fp-export"
  private static let prefix = ".m2fp-export-"

  private let path: String
  private let temporary: String
  private let lock: Int32
  private var folders: Set<String> = []
  private var isFinished = false

  /// - Parameter path: Where the folder will be.
  /// - Throws: ``FileFailure`` of stage `write`, also if something else is there.
  package init(_ path: String) throws(FileFailure) {
    self.path = path
    let parent = Paths.folder(path)
    try AtomicFiles.makeFolder(parent)
    try Self.checkReplaceable(path)
    Self.removeLeftovers(in: parent)
    temporary =
      parent + "/" + Self.prefix + String(UInt64.random(in: .min ... .max), radix: 36) + ".tmp"
    guard mkdir(temporary, 0o777) == 0 else { throw AtomicFiles.failure(errno, temporary) }
    lock = open(temporary + "/" + Self.marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
    guard lock >= 0 else { throw AtomicFiles.failure(errno, temporary) }
    flock(lock, LOCK_EX | LOCK_NB)
  }

  deinit {
    if !isFinished { Self.remove(temporary) }
    if lock >= 0 { close(lock) }
  }

  /// Whether an export may be put at `path`: there is nothing, an empty folder, or an export.
  ///
  /// - Throws: ``FileFailure`` with the remedy.
  package static func checkReplaceable(_ path: String) throws(FileFailure) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    let names = try? FileManager.default.contentsOfDirectory(atPath: path)
    if let names, names.isEmpty || names.contains(marker) { return }
    throw FileFailure(
      stage: .write, code: .outputNotWritable,
      message: "\(path) is there and is no export of m2fp: name another folder, or remove it")
  }

  package func add(_ record: Record) throws(FileFailure) {
    for (name, content) in record.files {
      let target = temporary + "/" + name
      let folder = Paths.folder(target)
      if folders.insert(folder).inserted { try AtomicFiles.makeFolder(folder) }
      switch content {
      case .bytes(let bytes): try Self.write(bytes, to: target)
      case .link(let destination):
        guard symlink(destination, target) == 0 else { throw AtomicFiles.failure(errno, target) }
      }
    }
  }

  package func finish() throws(FileFailure) {
    // One for all: hundreds of thousands of files are synced in one go, or not in a night.
    sync()
    try Self.checkReplaceable(path)
    let old = temporary + ".old"
    // The folder is away for the moment between two renames, and never half there.
    guard rename(path, old) == 0 || errno == ENOENT else { throw AtomicFiles.failure(errno, path) }
    guard rename(temporary, path) == 0 else {
      let code = errno
      rename(old, path)
      throw AtomicFiles.failure(code, path)
    }
    isFinished = true
    Self.remove(old)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(FileFailure) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw AtomicFiles.failure(errno, path) }
    defer { close(file) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw AtomicFiles.failure(errno, path) }
      rest = rest.dropFirst(count)
    }
  }

  /// Removes what killed exports have left in a folder.
  private static func removeLeftovers(in folder: String) {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where name.hasPrefix(prefix) {
      let marker = open(folder + "/" + name + "/" + marker, O_WRONLY | O_CLOEXEC)
      guard marker >= 0 else { continue }
      if flock(marker, LOCK_EX | LOCK_NB) == 0 { remove(folder + "/" + name) }
      close(marker)
    }
  }

  private static func remove(_ folder: String) {
    try? FileManager.default.removeItem(atPath: folder)
  }
}
