import Foundation
import M2FPFiles
import M2FPResults

/// Which of the files found are taken: the patterns to include and to exclude.
///
/// A pattern is a shell pattern (`*`, `?`, `[a-z]`; POSIX fnmatch). One without a slash is compared
/// with the name of the file and of each folder above it; one with a slash with the whole relative
/// path of each, where `*` takes slashes, too. What lies in a folder that matches, matches.
public struct PathFilter: Sendable, Equatable {
  private let include: [String]
  private let exclude: [String]

  /// - Parameters:
  ///   - include: A file must match one of these; if there are none, every file does.
  ///   - exclude: A file must match none of these.
  public init(include: [String] = [], exclude: [String] = []) {
    self.include = include
    self.exclude = exclude
  }

  /// Whether a file is taken.
  func takes(_ relativePath: String) -> Bool {
    (include.isEmpty || include.contains { Self.matches(relativePath, $0) })
      && !isExcluded(relativePath)
  }

  /// Whether nothing at or below this path can be taken.
  func isExcluded(_ relativePath: String) -> Bool {
    exclude.contains { Self.matches(relativePath, $0) }
  }

  private static func matches(_ path: String, _ pattern: String) -> Bool {
    var pattern = Substring(pattern)
    let isAnchored = pattern.contains("/")
    while pattern.first == "/" { pattern = pattern.dropFirst() }
    while pattern.last == "/" { pattern = pattern.dropLast() }
    let glob = String(pattern)
    if !isAnchored {
      return path.split(separator: "/").contains { fnmatch(glob, String($0), 0) == 0 }
    }
    var end = path.endIndex
    while true {
      if fnmatch(glob, String(path[..<end]), 0) == 0 { return true }
      guard let slash = path[..<end].lastIndex(of: "/") else { return false }
      end = slash
    }
  }
}
