import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization
import SystemPackage

/// Entries of a cache in a folder.
///
/// One file an entry, `v1/KK/KEY.entry`, so that an entry comes by one rename and goes by one
/// unlink, and any number of processes may share the folder. An entry's modification time is that of
/// its last use.
///
/// Whoever may write in the folder decides what results are; nobody else is let in.
final class CacheFolder: CacheStorage {
  let path: FilePath
  /// No link below ``path`` is followed.
  private let rule: LinkRule
  private let limit: Int
  private let unpruned = Atomic<Int>(0)

  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  init(_ path: FilePath, limit: Int) throws(RunFailure) {
    self.path = path
    self.limit = limit
    rule = LinkRule(below: path, .none)
    do throws(FileFailure) {
      try AtomicFiles.makeFolder(path, mode: 0o700)
      // By this, tools for backups leave it out (https://bford.info/cachedir).
      if FileStamp(path: path.appending("CACHEDIR.TAG")) == nil {
        var files = AtomicFiles(in: path, following: rule)
        try files.write(
          Data("Signature: 8a477f597d28d172789f06886806bc55\n".utf8), to: "CACHEDIR.TAG")
        try files.commit()
      }
    } catch {
      throw .notWritable(.cache, error, prefix: "the cache cannot be used: ")
    }
    try AtomicFiles.checkWritable(entriesFolder, for: .cache, following: rule)
  }

  private var entriesFolder: FilePath { path.appending("v1") }

  /// The folders that entries lie in, each with its path.
  private func buckets() -> [(path: FilePath, folder: OpenFolder)] {
    guard let folder = try? OpenFolder(entriesFolder, following: rule) else { return [] }
    return folder.names().filter { $0.bytes.count == 2 }.compactMap { name in
      (try? folder.folder(named: name, making: false)).map { ($0.path, $0) }
    }
  }

  private func path(_ key: String) -> FilePath {
    entriesFolder.appending("\(key.prefix(2))/\(key).entry")
  }

  private func locate(_ key: String) -> (bucket: OpenFolder, name: FilePath.Component)? {
    let path = path(key)
    guard let name = path.lastComponent, let bucket = try? OpenFolder(path.folder, following: rule)
    else { return nil }
    return (bucket, name)
  }

  // MARK: - One entry

  func read(_ key: String) -> StoredEntry {
    locate(key).map { Self.read($0.name, in: $0.bucket) } ?? .absent
  }

  private static func read(_ name: FilePath.Component, in bucket: OpenFolder) -> StoredEntry {
    let file: Descriptor
    do throws(Errno) {
      file = Descriptor(try bucket.open(name, .readOnly))
    } catch {
      return [.noSuchFileOrDirectory, .permissionDenied].contains(error) ? .absent : .unreadable
    }
    guard let bytes = try? FileReader.bytes(of: file.file, limit: ResultCache.entrySizeLimit) else {
      return .unreadable
    }
    return .found(bytes, file)
  }

  func noteUse(_ key: String, _ file: Descriptor?) {
    if let file { _ = futimens(file.raw, nil) }
  }

  func remove(_ key: String) {
    if let (bucket, name) = locate(key) { bucket.remove(name) }
  }

  func write(_ bytes: [UInt8], _ key: String, access: FileAccess) throws(FileFailure) {
    // Not synced: what a crash of the machine damages is found by its digest.
    var files = AtomicFiles(in: path(key).folder, following: rule, access: access)
    try files.write(Data(bytes), to: path(key).fileName)
    try files.commit(syncing: false)
    let stored = unpruned.wrappingAdd(bytes.count, ordering: .relaxed).newValue
    if stored > limit / 20 { pruneStored() }
  }

  func pruneStored() {
    if unpruned.exchange(0, ordering: .relaxed) > 0 { _ = prune(to: limit) }
  }

  // MARK: - All entries

  private struct CacheFile {
    let bucket: OpenFolder
    let name: FilePath.Component
    let bytes: Int
    let used: timespec
  }

  private func entries() -> [CacheFile] {
    buckets().flatMap { bucket in
      bucket.folder.names().filter { $0.bytes.ends(with: ".entry") }.compactMap { name in
        bucket.folder.status(of: name).map {
          CacheFile(
            bucket: bucket.folder, name: name, bytes: Int($0.st_blocks) * 512, used: $0.st_mtim)
        }
      }
    }
  }

  func statistics() -> ResultCache.Statistics {
    entries().reduce(into: ResultCache.Statistics()) {
      $0.entries += 1
      $0.bytes += $1.bytes
    }
  }

  func prune(to limit: Int) -> ResultCache.Statistics {
    var dropped = ResultCache.Statistics()
    guard let folder = try? OpenFolder(entriesFolder, following: rule),
      folder.lock(while: { false })
    else { return dropped }
    defer { folder.unlock() }
    for bucket in buckets() { AtomicFiles.removeLeftovers(in: bucket.path, following: rule) }
    let found = entries().sorted {
      ($0.used.tv_sec, $0.used.tv_nsec) < ($1.used.tv_sec, $1.used.tv_nsec)
    }
    var bytes = found.reduce(0) { $0 + $1.bytes }
    for entry in found {
      if bytes <= limit { break }
      guard entry.bucket.remove(entry.name) else { continue }
      bytes -= entry.bytes
      dropped.entries += 1
      dropped.bytes += entry.bytes
    }
    return dropped
  }

  /// Drops the entries that are there and are not what `isSound` takes them for, by name.
  func verify(_ isSound: ([UInt8], FilePath.Component) -> Bool) -> ResultCache.Statistics {
    var dropped = ResultCache.Statistics()
    for entry in entries() {
      switch Self.read(entry.name, in: entry.bucket) {
      case .absent: continue
      case .found(let bytes, _) where isSound(bytes, entry.name): continue
      case .found, .unreadable, .unreachable: break
      }
      guard entry.bucket.remove(entry.name) else { continue }
      dropped.entries += 1
      dropped.bytes += entry.bytes
    }
    return dropped
  }
}
