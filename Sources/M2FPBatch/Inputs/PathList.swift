import Foundation
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
  /// A path in a list.
  struct Entry: Equatable {
    /// The path to open.
    let path: String
    /// The folder it was found in, where the list tells; `path` is below it.
    let root: String?
    /// Its part below the folder that it was found in; empty for that folder itself.
    let relativePath: String
    /// The path's bytes if they are not UTF-8; `path` then is only for messages.
    let exactPath: [UInt8]?
  }

  let entries: [Entry]

  /// The entries of a list; empty ones are left out.
  init(_ list: [UInt8], zeroTerminated: Bool) {
    entries = list.split(separator: zeroTerminated ? 0 : UInt8(ascii: "\n")).map(Self.entry)
  }

  /// Reads a list.
  ///
  /// - Parameters:
  ///   - path: A file, or "-" for standard input.
  ///   - zeroTerminated: Whether entries end with a zero byte rather than a line feed.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput``.
  public init(contentsOf path: String, zeroTerminated: Bool) throws(RunFailure) {
    let list: Data?
    do {
      let file =
        path == "-"
        ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      list = try file.readToEnd()
    } catch {
      let reason = Errno(error)
      throw RunFailure(
        .noInput, "the list '\(path)' cannot be read: \(reason.reason)", underlying: reason)
    }
    self.init([UInt8](list ?? Data()), zeroTerminated: zeroTerminated)
  }

  private static func entry(_ bytes: ArraySlice<UInt8>) -> Entry {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      let repaired = String(decoding: bytes, as: UTF8.self)
      return Entry(path: repaired, root: nil, relativePath: repaired, exactPath: Array(bytes))
    }
    // A mark at the very end, too: `photos/.` is the folder that was searched.
    let marked = text + "/"
    if let mark = marked.range(of: "/./", options: [.backwards, .literal]) {
      let relative = marked[mark.upperBound...].drop { $0 == "/" }
      let root = mark.lowerBound == text.startIndex ? "/" : String(text[..<mark.lowerBound])
      let below = relative.isEmpty ? "" : String(relative.dropLast())
      return Entry(
        path: below.isEmpty ? root : Paths.join(root, below), root: root,
        relativePath: normalised(below), exactPath: nil)
    }
    return Entry(path: text, root: nil, relativePath: normalised(text), exactPath: nil)
  }

  /// `./a//b/../c` → `a/c`; what would lead out at the top is dropped, as tar does.
  private static func normalised(_ path: String) -> String {
    var parts: [Substring] = []
    for part in path.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return parts.joined(separator: "/")
  }

  /// The entry, without its end, that stands for `input`.
  static func bytes(of input: Input) -> [UInt8] {
    if let exact = input.exactPath { return exact }
    let (path, relative) = (input.path, input.relativePath)
    if relative.isEmpty { return Array((path + "/.").utf8) }
    guard path.hasSuffix("/" + relative) else { return Array(path.utf8) }
    let folder = path.dropLast(relative.utf8.count + 1)
    return Array((folder.isEmpty || folder == "." ? path : folder + "/./" + relative).utf8)
  }
}

/// The files of a run that failed, written as a list for the next run.
public struct FailureList {
  private let path: String
  private let zeroTerminated: Bool
  private var entries: [[UInt8]] = []

  /// - Parameters:
  ///   - path: Where the list goes.
  ///   - zeroTerminated: Whether entries end with a zero byte rather than a line feed.
  /// - Throws: ``RunFailure`` when nothing can be written there: better now than after the run.
  public init(_ path: String, zeroTerminated: Bool) throws(RunFailure) {
    // The file that a link leads to is replaced, and not the link.
    self.path =
      realpath(path, nil).map { resolved in
        defer { free(resolved) }
        return String(cString: resolved)
      } ?? path
    self.zeroTerminated = zeroTerminated
    if isReplaceable { try AtomicFiles.checkWritable(Paths.folder(self.path), for: .failureList) }
  }

  /// Not for `/dev/stdout` and the like, which are written to.
  private var isReplaceable: Bool {
    switch FileKind(path) {
    case .file, .missing: true
    default: false
    }
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
        var files = AtomicFiles(in: Paths.folder(path))
        try files.write(text, to: path)
        try files.sync()
        try files.commit()
      } else {
        guard let file = FileHandle(forWritingAtPath: path),
          (try? file.write(contentsOf: text)) != nil
        else { throw AtomicFiles.failure(errno, path) }
      }
    } catch {
      throw .notWritable(.failureList, error, prefix: "the list of failures is lost: ")
    }
    return entries.filter { $0.contains(end) }.map { String(decoding: $0, as: UTF8.self) }
  }
}
