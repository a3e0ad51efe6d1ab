import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Lists of paths, one a line or each ended by a zero byte, as `find -print0` writes them.
///
/// As in rsync, `/./` in a path marks where its relative part begins: `photos/./a/b.jpg` is what
/// a search of `photos` finds as `a/b.jpg`, and `find photos/.` writes its paths so. Without the mark
/// the whole path is the relative part. It is by the mark that a file of a list of failures keeps its
/// place below the folder of all outputs, and its shard.
public struct PathList: Sendable {
  /// An entry of a list.
  struct Entry: Equatable {
    /// The path to open; nil where the entry holds a zero byte.
    let path: FilePath?
    /// The folder it was found in, where the list tells; `path` is below it.
    var root: FilePath?
    /// Its part below the folder that it was found in; empty for that folder itself.
    var relativePath: FilePath = ""
    /// For messages about what is no path.
    var text = ""
    /// What may be wrong with the list if there is nothing at the path.
    var doubt: String?
  }

  let entries: [Entry]

  public init() { entries = [] }

  init(_ entry: Entry) { entries = [entry] }

  /// The entries of a list; empty ones are left out.
  init(_ list: [UInt8], zeroTerminated: Bool) {
    let lines = list.split(separator: zeroTerminated ? 0 : UInt8(ascii: "\n"))
    entries = lines.map { line in
      var entry = Self.entry(line)
      entry.doubt = Self.doubt(line)
      return entry
    }
  }

  /// What lists of other programs have and paths seldom.
  private static func doubt(_ line: ArraySlice<UInt8>) -> String? {
    if line.starts(with: [0xEF, 0xBB, 0xBF]) {
      return "the list begins with a byte order mark, which is taken for a part of the path"
    }
    if line.last == UInt8(ascii: "\r") {
      return
        "the line ends in a carriage return, as Windows ends lines, which is taken for a part of "
        + "the path"
    }
    if line.first == UInt8(ascii: "#") {
      return "a list has no comments: a line that begins with # is a path, too"
    }
    return nil
  }

  /// Bytes, beyond the names of tens of millions of photos.
  private static let sizeLimit = 1 << 32

  /// Reads a list.
  ///
  /// - Parameters:
  ///   - path: A file, or nil for standard input.
  ///   - zeroTerminated: Whether entries end with a zero byte rather than a line feed.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput``.
  public init(contentsOf path: FilePath?, zeroTerminated: Bool) throws(RunFailure) {
    do {
      let bytes: [UInt8]
      if let path {
        let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
        bytes = try file.closeAfter { try FileReader.readToEnd(file, limit: Self.sizeLimit) }
      } else {
        bytes = try FileReader.readToEnd(.standardInput, limit: Self.sizeLimit)
      }
      self.init(bytes, zeroTerminated: zeroTerminated)
    } catch {
      let reason = Errno(error)
      throw RunFailure(
        .noInput, "the list '\(path ?? "-")' cannot be read: \(reason.reason)", underlying: reason)
    }
  }

  private static func entry(_ bytes: ArraySlice<UInt8>) -> Entry {
    guard let whole = FilePath(bytes: bytes) else {
      let text = bytes.map { $0 == 0 ? UInt8(ascii: "?") : $0 }
      return Entry(path: nil, text: String(decoding: text, as: UTF8.self))
    }
    // A mark at the very end, too: `photos/.` is the folder that was searched.
    let marked = Array(bytes) + [UInt8(ascii: "/")]
    let mark = Array("/./".utf8)
    let start = marked.indices.dropLast(mark.count - 1).last {
      marked[$0..<($0 + mark.count)].elementsEqual(mark)
    }
    guard let start else {
      return Entry(path: whole, relativePath: normalised(whole))
    }
    let root = FilePath(bytes: start == 0 ? mark[..<1] : marked[..<start]) ?? whole
    // Slashes in front would make it a path from the root.
    let below = FilePath(bytes: marked[(start + mark.count)...].drop { $0 == mark[0] }) ?? ""
    return Entry(
      path: root.appending(below.components), root: root, relativePath: normalised(below))
  }

  /// `./a//b/../c` → `a/c`; what would lead out at the top is dropped, as tar does.
  private static func normalised(_ path: FilePath) -> FilePath {
    var parts: [FilePath.Component] = []
    for part in path.components {
      switch part.kind {
      case .currentDirectory: break
      case .parentDirectory: _ = parts.popLast()
      case .regular: parts.append(part)
      }
    }
    return FilePath(root: nil, parts)
  }

  /// The entry, without its end, that stands for `input`.
  static func bytes(of input: Input) -> [UInt8] {
    let (path, relative) = (input.path, input.relativePath)
    if relative.isEmpty { return path.bytes + Array("/.".utf8) }
    guard path.ends(with: relative), path != relative, !relative.isAbsolute else {
      // Below the mark a list may have led up and down again.
      guard let root = input.root, let below = path.below(root), normalised(below) == relative
      else { return path.bytes }
      return root.bytes + Array("/./".utf8) + below.bytes
    }
    let folder = path.bytes.dropLast(relative.bytes.count + 1)
    if folder.isEmpty || folder.elementsEqual(".".utf8) { return path.bytes }
    return folder + Array("/./".utf8) + relative.bytes
  }
}

/// The files of a run that failed, written as a list for the next run.
public struct FailureList {
  private let path: FilePath
  private let rule: LinkRule
  private let zeroTerminated: Bool
  private var entries: [[UInt8]] = []

  /// - Parameters:
  ///   - path: Where the list goes.
  ///   - zeroTerminated: Whether entries end with a zero byte rather than a line feed.
  /// - Throws: ``RunFailure`` when nothing can be written there: better now than after the run.
  public init(_ path: FilePath, zeroTerminated: Bool) throws(RunFailure) {
    rule = LinkRule(below: path.folder, .own)
    self.path = Self.destination(path, rule)
    self.zeroTerminated = zeroTerminated
    if case .folder = FileKind(self.path) {
      throw RunFailure(
        .outputNotWritable, "\(path) is a folder, and the list of failures is a file: name another")
    }
    if isReplaceable { try AtomicFiles.checkWritable(self.path.folder, for: .failureList) }
  }

  /// The file that a link of the user's own leads to is replaced; another's link is itself replaced.
  private static func destination(_ path: FilePath, _ rule: LinkRule) -> FilePath {
    guard rule.refusedLink(in: path) == nil,
      let resolved = path.withPlatformString({ realpath($0, nil) })
    else { return path }
    defer { free(resolved) }
    return FilePath(platformString: resolved)
  }

  /// Not for `/dev/stdout` and the like, which are written to.
  private var isReplaceable: Bool {
    if rule.refusedLink(in: path) != nil { return true }
    if case .other = FileKind(path) { return false }
    return true
  }

  public mutating func add(_ input: Input) {
    entries.append(PathList.bytes(of: input))
  }

  /// Replaces the list by the failures of this run.
  ///
  /// - Returns: The paths that cannot be told in a list of lines, since they hold a line feed.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  public func write() throws(RunFailure) -> [String] {
    let end: UInt8 = zeroTerminated ? 0 : UInt8(ascii: "\n")
    let text = Data(entries.filter { !$0.contains(end) }.flatMap { $0 + [end] })
    do throws(FileFailure) {
      if isReplaceable {
        var files = AtomicFiles(in: path.folder)
        try files.write(text, to: path.fileName)
        try files.sync()
        try files.commit()
      } else {
        do {
          // A pipe that nobody reads is no place to wait for a reader.
          let file = try rule.open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY)
          try file.closeAfter {
            _ = fcntl(file.rawValue, F_SETFL, 0)
            _ = try file.writeAll(text)
          }
        } catch {
          throw AtomicFiles.failure(error as? Errno ?? .ioError, path)
        }
      }
    } catch {
      throw .notWritable(.failureList, error, prefix: "the list of failures is lost: ")
    }
    return entries.filter { $0.contains(end) }.map { String(decoding: $0, as: UTF8.self) }
  }
}
