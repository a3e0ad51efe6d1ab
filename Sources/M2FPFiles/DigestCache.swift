import FoundationEssentials
import Glibc
import SystemPackage

/// Remembers the SHA-256 of large files that do not change, such as model archives of hundreds of
/// megabytes.
///
/// A file is the same while its device, inode, size, and times of modification and status change (to
/// the nanosecond) are: nothing can write to it without moving the last. A file whose status changed
/// within the last seconds is not remembered, since a second write within the clock's tick would not
/// show. What the cache cannot read or write, it goes without.
public struct DigestCache: Sendable {
  /// Where entries are, made when there is something to remember; nil for no cache.
  let folder: FilePath?
  /// Smaller files take less time to digest than is worth a cache, in bytes.
  var smallestFile = 32 << 20
  /// The coarsest clock of file systems in use, twice.
  var settlingSeconds = 4

  /// The cache in the user's cache folder (XDG Base Directory Specification).
  public static func standard(environment: [String: String]) -> DigestCache {
    func absolute(_ path: String?) -> FilePath? {
      path.map { FilePath($0) }.flatMap { $0.isAbsolute ? $0 : nil }
    }
    let base =
      absolute(environment["XDG_CACHE_HOME"])
      ?? absolute(environment["HOME"])?.appending(".cache")
    return DigestCache(folder: base?.appending("m2fp/digests"))
  }

  /// The SHA-256 of the file at `path`.
  ///
  /// - Throws: `Errno` when the file cannot be read.
  public func sha256(ofFile path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
    return try file.closeAfter { try sha256(of: file) }
  }

  /// The SHA-256 of an open file.
  ///
  /// - Throws: `Errno` when it cannot be read.
  package func sha256(of file: FileDescriptor) throws -> String {
    guard let folder, let identity = Identity(file), identity.size >= smallestFile else {
      return try SHA256.hexadecimal(of: file)
    }
    let entry = folder.appending("\(identity.device)-\(identity.inode)")
    let known = Array("\(identity.text) ".utf8)
    if let stored = try? FileReader.read(entry, limit: 1 << 10).bytes, stored.starts(with: known) {
      let digest = String(decoding: stored.dropFirst(known.count), as: UTF8.self)
      if digest.utf8.count == 64, digest.allSatisfy(\.isHexDigit) { return digest }
    }
    let digest = try SHA256.hexadecimal(of: file)
    // What changed while it was read has no digest worth remembering.
    if identity == Identity(file), identity.age > settlingSeconds {
      try? AtomicFile.write(Data(known + digest.utf8), to: entry)
    }
    return digest
  }

  private struct Identity: Equatable {
    let device: UInt
    let inode: UInt
    let size: Int
    let text: String
    let changed: Int

    init?(_ file: FileDescriptor) {
      var status = stat()
      guard fstat(file.rawValue, &status) == 0 else { return nil }
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
      size = Int(status.st_size)
      changed = status.st_ctim.tv_sec
      text =
        "\(device) \(inode) \(size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) "
        + "\(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec)"
    }

    /// Seconds since the file, or what is known of it, was last changed.
    var age: Int { Int(Date().timeIntervalSince1970) - changed }
  }
}
