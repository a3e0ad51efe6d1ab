import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization
import SystemPackage

/// Results by what they were made from: the bytes of the input, the model and the options.
///
/// One file an entry, `v1/KK/KEY.entry`, so that an entry comes by one rename and goes by one
/// unlink, and any number of processes may share the folder. It starts with the SHA-256 of all that
/// follows, by which damage is found. The outputs lie at multiples of 4 KiB, which lets file systems
/// that can do so share their blocks with the copies. An entry's modification time is that of its
/// last use.
///
/// Whoever may write in the folder decides what results are; nobody else is let in, and nothing but
/// names of outputs is taken from it.
public final class ResultCache: Sendable {
  /// Outputs out of the cache, whole and verified.
  struct Entry {
    /// As for an input whose name and stem are empty.
    let sidecar: Sidecar
    /// What the decoder had to say about the input.
    let warnings: [String]
    fileprivate let bytes: [UInt8]
    fileprivate let file: Descriptor

    /// Lends out the bytes of each output, and where they lie in a file, in the sidecar's order.
    func forEachOutput<Failure: Error>(
      _ body: (Sidecar.Output, UnsafeRawBufferPointer, AtomicFiles.Original) throws(Failure) -> Void
    ) throws(Failure) {
      var end = headerEnd(bytes) ?? 0
      for output in sidecar.outputs {
        let start = aligned(end)
        end = start + output.size
        let result = bytes.withUnsafeBytes { bytes in
          Result { () throws(Failure) in
            try body(
              output, UnsafeRawBufferPointer(rebasing: bytes[start..<end]),
              AtomicFiles.Original(descriptor: file.raw, offset: start))
          }
        }
        try result.get()
      }
    }
  }

  enum Fetched {
    case hit(Entry)
    case miss
    /// There was an entry, but it was damaged, and is gone.
    case damaged
  }

  public struct Statistics: Sendable, Equatable {
    public var entries = 0
    /// Bytes on disk.
    public var bytes = 0
  }

  private struct Header: Codable {
    let sidecar: Sidecar
    let warnings: [String]
  }

  public let folder: FilePath
  /// No link below ``folder`` is followed.
  private let rule: LinkRule
  private let limit: Int
  private let unpruned = Atomic<Int>(0)
  private let firstProblem = Locked<FileFailure?>(nil)

  /// Opens a cache, or makes one.
  ///
  /// - Parameters:
  ///   - folder: Made if need be, for its user alone.
  ///   - limit: Bytes on disk; what was longest unused goes first.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  public init(_ folder: FilePath, limit: Int) throws(RunFailure) {
    self.folder = folder
    self.limit = limit
    rule = LinkRule(below: folder, .none)
    do throws(FileFailure) {
      try AtomicFiles.makeFolder(folder, mode: 0o700)
      // By this, tools for backups leave it out (https://bford.info/cachedir).
      if FileStamp(path: folder.appending("CACHEDIR.TAG")) == nil {
        var files = AtomicFiles(in: folder, following: rule)
        try files.write(
          Data("Signature: 8a477f597d28d172789f06886806bc55\n".utf8), to: "CACHEDIR.TAG")
        try files.commit()
      }
    } catch {
      throw .notWritable(.cache, error, prefix: "the cache cannot be used: ")
    }
    try AtomicFiles.checkWritable(entriesFolder, for: .cache, following: rule)
  }

  /// What first went wrong while results were stored, which fails no file; nil if nothing did.
  public var problem: FileFailure? { firstProblem.withLock { $0 } }

  private var entriesFolder: FilePath { folder.appending("v1") }

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

  /// The key of a result.
  ///
  /// - Parameters:
  ///   - input: The SHA-256 of the input.
  ///   - model: The network.
  ///   - options: What the outputs are made with.
  /// - Returns: 64 hexadecimal digits.
  static func key(input: String, model: ModelIdentity, options: Sidecar.Options) -> String {
    let text =
      "m2fp \(Sidecar.currentFormatVersion)\n\(input)\n\(model.sha256)\n".utf8
      + Sidecar.text(of: options)
    return text.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
  }

  // MARK: - One entry

  /// Reads and verifies an entry.
  ///
  /// - Parameters:
  ///   - key: What it was made from.
  ///   - access: Who may read the input; nobody else may read the entry from now on.
  /// - Returns: The entry, if there is one that is whole.
  func fetch(_ key: String, for access: FileAccess) -> Fetched {
    let path = path(key)
    guard let name = path.lastComponent, let bucket = try? OpenFolder(path.folder, following: rule)
    else { return .miss }
    switch Self.read(name, in: bucket) {
    case .success(let entry):
      // Used now.
      _ = futimens(entry.file.raw, nil)
      access.restrict(entry.file.file)
      return .hit(entry)
    case .failure(.damaged):
      bucket.remove(name)
      return .damaged
    case .failure(.absent):
      return .miss
    }
  }

  private enum Unusable: Error {
    case absent, damaged
  }

  /// Reads what bears the name of an entry, and is that entry: in another's place it would give
  /// wrong results for ever.
  private static func read(
    _ name: FilePath.Component, in bucket: OpenFolder
  ) -> Result<Entry, Unusable> {
    let file: Descriptor
    do throws(Errno) {
      file = Descriptor(try bucket.open(name, .readOnly))
    } catch {
      return .failure(
        [.noSuchFileOrDirectory, .permissionDenied].contains(error) ? .absent : .damaged)
    }
    guard let entry = read(file) else { return .failure(.damaged) }
    let (input, model) = (entry.sidecar.input.sha256, entry.sidecar.model)
    let key = key(input: input, model: model, options: entry.sidecar.options)
    return name.bytes.elementsEqual("\(key).entry".utf8) ? .success(entry) : .failure(.damaged)
  }

  private static func read(_ file: Descriptor) -> Entry? {
    guard let bytes = try? FileReader.bytes(of: file.file, limit: entrySizeLimit),
      let start = firstLineEnd(bytes),
      let end = headerEnd(bytes), bytes[..<start].elementsEqual(firstLine(of: bytes[start...])),
      let header = try? JSONDecoder().decode(Header.self, from: Data(bytes[start..<end])),
      header.sidecar.formatVersion == Sidecar.currentFormatVersion
    else { return nil }
    let outputs = header.sidecar.outputs
    // Never anything but outputs, whoever wrote the entry.
    guard
      outputs.allSatisfy({
        (0...bytes.count).contains($0.size) && OutputNames.isOutput(suffix: $0.path)
      }), Set(outputs.map(\.path)).count == outputs.count,
      outputs.reduce(end, { aligned($0) + $1.size }) <= bytes.count
    else { return nil }
    return Entry(sidecar: header.sidecar, warnings: header.warnings, bytes: bytes, file: file)
  }

  /// Stores a result; a failure to do so is kept as ``problem``.
  ///
  /// - Parameters:
  ///   - key: What it was made from.
  ///   - sidecar: As it lies beside the outputs.
  ///   - stem: The stem of the outputs' names.
  ///   - access: Who may read the outputs, and so the entry.
  ///   - warnings: What the decoder had to say about the input.
  ///   - outputs: The bytes of each output, in the sidecar's order.
  func store(
    _ key: String, sidecar: Sidecar, stem: [UInt8], access: FileAccess, warnings: [String],
    outputs: [(UnsafeMutableRawBufferPointer) -> Void]
  ) {
    let header = Header(sidecar: sidecar.renamed(input: "", from: stem, to: []), warnings: warnings)
    let encoder = JSONEncoder()
    // The same result gives the same entry.
    encoder.outputFormatting = .sortedKeys
    guard var content = try? encoder.encode(header) else { return }
    content.append(UInt8(ascii: "\n"))
    // The first line counts, too, when it comes to alignment.
    var bytes = [UInt8](repeating: 0, count: firstLineLength) + content
    for (output, copy) in zip(sidecar.outputs, outputs) {
      let start = aligned(bytes.count)
      bytes += [UInt8](repeating: 0, count: start + output.size - bytes.count)
      bytes.withUnsafeMutableBytes {
        copy(UnsafeMutableRawBufferPointer(rebasing: $0[start..<(start + output.size)]))
      }
    }
    bytes += [UInt8](repeating: 0, count: aligned(bytes.count) - bytes.count)
    if bytes.count > entrySizeLimit { return }
    bytes.replaceSubrange(..<firstLineLength, with: firstLine(of: bytes[firstLineLength...]))
    do throws(FileFailure) {
      // Not synced: what a crash of the machine damages is found by its digest.
      var files = AtomicFiles(in: path(key).folder, following: rule, access: access)
      try files.write(Data(bytes), to: path(key).fileName)
      try files.commit(syncing: false)
    } catch {
      firstProblem.withLock { $0 = $0 ?? error }
      return
    }
    let stored = unpruned.wrappingAdd(bytes.count, ordering: .relaxed).newValue
    if stored > limit / 20 { pruneStored() }
  }

  /// Brings the cache down to its limit if this process has stored anything since it last did.
  public func pruneStored() {
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

  /// What the cache holds.
  public func statistics() -> Statistics {
    entries().reduce(into: Statistics()) {
      $0.entries += 1
      $0.bytes += $1.bytes
    }
  }

  /// Drops entries, the longest unused first, until those left take no more than `limit` bytes.
  ///
  /// - Returns: What was dropped; nothing where another process is at it.
  public func prune(to limit: Int) -> Statistics {
    var dropped = Statistics()
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

  /// Reads every entry, and drops those that are damaged.
  ///
  /// - Returns: What was dropped.
  public func verify() -> Statistics {
    var dropped = Statistics()
    for entry in entries() {
      guard case .failure(.damaged) = Self.read(entry.name, in: entry.bucket),
        entry.bucket.remove(entry.name)
      else { continue }
      dropped.entries += 1
      dropped.bytes += entry.bytes
    }
    return dropped
  }
}

// MARK: - The form of an entry

private let magic = "m2fp-result "
/// Bytes, beyond any result that is worth keeping: as much is read at a time.
private let entrySizeLimit = 1 << 30
private let firstLineLength = magic.utf8.count + 64 + 1

private func aligned(_ offset: Int) -> Int { (offset + 4095) & ~4095 }

/// "m2fp-result SHA256": the digest of all that follows.
private func firstLine(of rest: ArraySlice<UInt8>) -> [UInt8] {
  Array((magic + rest.withUnsafeBytes { SHA256.hexadecimal(of: $0) } + "\n").utf8)
}

private func firstLineEnd(_ bytes: [UInt8]) -> Int? {
  bytes.count > firstLineLength ? firstLineLength : nil
}

/// Where the line that holds the header, JSON without line feeds, ends.
private func headerEnd(_ bytes: [UInt8]) -> Int? {
  guard let start = firstLineEnd(bytes) else { return nil }
  return bytes[start...].firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
}
