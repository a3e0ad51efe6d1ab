import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Where the entries of a cache are.
protocol CacheStorage: Sendable {
  func read(_ key: String) -> StoredEntry
  /// Says that an entry that was read is in use.
  func noteUse(_ key: String, _ file: Descriptor?)
  func remove(_ key: String)
  /// - Throws: ``FileFailure`` of stage `write`.
  func write(_ bytes: [UInt8], _ key: String, access: FileAccess) throws(FileFailure)
  /// Comes down to the storage's own limit, if this process has stored anything since it last did.
  func pruneStored()
}

/// What lies under a key.
enum StoredEntry {
  /// Its bytes, and the file that they are in, if they are in one.
  case found([UInt8], Descriptor?)
  case absent
  /// Something is there that cannot be read.
  case unreadable
  /// Nobody can tell.
  case unreachable(FileFailure)
}

/// Results by what they were made from: the bytes of the input, the model and the options.
///
/// An entry starts with the SHA-256 of all that follows, by which damage is found. The outputs lie at
/// multiples of 4 KiB, which lets file systems that can do so share their blocks with the copies.
/// Nothing but names of outputs is taken from one.
public final class ResultCache: Sendable {
  /// Outputs out of the cache, whole and verified.
  package struct Entry {
    /// As for an input whose name and stem are empty.
    package let sidecar: Sidecar
    /// What the decoder had to say about the input.
    package let warnings: [String]
    fileprivate let bytes: [UInt8]
    fileprivate let file: Descriptor?

    /// Lends out the bytes of each output, and where they lie in a file, in the sidecar's order.
    package func forEachOutput<Failure: Error>(
      _ body: (Sidecar.Output, UnsafeRawBufferPointer, AtomicFiles.Original?) throws(Failure) ->
        Void
    ) throws(Failure) {
      var end = headerEnd(bytes) ?? 0
      for output in sidecar.outputs {
        let start = aligned(end)
        end = start + output.size
        let result = bytes.withUnsafeBytes { bytes in
          Result { () throws(Failure) in
            try body(
              output, UnsafeRawBufferPointer(rebasing: bytes[start..<end]),
              file.map { AtomicFiles.Original(descriptor: $0.raw, offset: start) })
          }
        }
        try result.get()
      }
    }
  }

  package enum Fetched {
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

  private let storage: any CacheStorage
  private let firstProblem = Locked<FileFailure?>(nil)

  init(_ storage: any CacheStorage) {
    self.storage = storage
  }

  /// Opens a cache in a folder, or makes one.
  ///
  /// - Parameters:
  ///   - folder: Made if need be, for its user alone.
  ///   - limit: Bytes on disk; what was longest unused goes first.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  public convenience init(_ folder: FilePath, limit: Int) throws(RunFailure) {
    self.init(try CacheFolder(folder, limit: limit))
  }

  /// What first went wrong with the cache, which fails no file; nil if nothing did.
  public var problem: FileFailure? { firstProblem.withLock { $0 } }

  /// The key of a result.
  ///
  /// - Parameters:
  ///   - input: The SHA-256 of the input.
  ///   - model: The network.
  ///   - options: What the outputs are made with.
  /// - Returns: 64 hexadecimal digits.
  package static func key(input: String, model: ModelIdentity, options: Sidecar.Options) -> String {
    key(input: input, model: model, options: Sidecar.text(of: options))
  }

  /// The same for options whose text is there already.
  package static func key(input: String, model: ModelIdentity, options text: [UInt8]) -> String {
    let all = "m2fp \(Sidecar.currentFormatVersion)\n\(input)\n\(model.sha256)\n".utf8 + text
    return all.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
  }

  // MARK: - One entry

  /// Reads and verifies an entry.
  ///
  /// - Parameters:
  ///   - key: What it was made from.
  ///   - access: Who may read the input; nobody else may read the entry from now on.
  /// - Returns: The entry, if there is one that is whole.
  package func fetch(_ key: String, for access: FileAccess) -> Fetched {
    switch storage.read(key) {
    case .found(let bytes, let file):
      if let entry = Self.entry(bytes, file, key: key) {
        storage.noteUse(key, file)
        if let file { access.restrict(file.file) }
        return .hit(entry)
      }
    case .unreadable: break
    case .absent: return .miss
    case .unreachable(let failure):
      note(failure)
      return .miss
    }
    storage.remove(key)
    return .damaged
  }

  private func note(_ failure: FileFailure) { firstProblem.withLock { $0 = $0 ?? failure } }

  /// What bears the key of an entry, and is that entry: in another's place it would give wrong results
  /// for ever.
  private static func entry(_ bytes: [UInt8], _ file: Descriptor?, key: String) -> Entry? {
    guard let entry = entry(bytes, file) else { return nil }
    let (input, model) = (entry.sidecar.input.sha256, entry.sidecar.model)
    let own = Self.key(input: input, model: model, options: entry.sidecar.options)
    return own == key ? entry : nil
  }

  private static func entry(_ bytes: [UInt8], _ file: Descriptor?) -> Entry? {
    guard let start = firstLineEnd(bytes),
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
  package func store(
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
    if bytes.count > Self.entrySizeLimit { return }
    bytes.replaceSubrange(..<firstLineLength, with: firstLine(of: bytes[firstLineLength...]))
    do throws(FileFailure) {
      try storage.write(bytes, key, access: access)
    } catch {
      note(error)
    }
  }

  /// Brings the cache down to its limit if this process has stored anything since it last did.
  public func pruneStored() { storage.pruneStored() }

  // MARK: - All entries, where they lie in a folder

  /// What the cache holds.
  public func statistics() -> Statistics { folder?.statistics() ?? Statistics() }

  /// Drops entries, the longest unused first, until those left take no more than `limit` bytes.
  ///
  /// - Returns: What was dropped; nothing where another process is at it.
  public func prune(to limit: Int) -> Statistics { folder?.prune(to: limit) ?? Statistics() }

  /// Reads every entry, and drops those that are damaged.
  ///
  /// - Returns: What was dropped.
  public func verify() -> Statistics {
    folder?.verify { bytes, name in
      Self.entry(bytes, nil, key: name.stem) != nil
    } ?? Statistics()
  }

  private var folder: CacheFolder? { storage as? CacheFolder }

  /// Bytes, beyond any result that is worth keeping: as much is read at a time.
  static let entrySizeLimit = 1 << 30
}

// MARK: - The form of an entry

private let magic = "m2fp-result "
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
