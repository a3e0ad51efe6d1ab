import Foundation
import M2FPFiles
import M2FPResults
import SystemPackage

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
  func takes(_ relativePath: FilePath) -> Bool {
    (include.isEmpty || include.contains { Self.matches(relativePath, $0) })
      && !isExcluded(relativePath)
  }

  /// Whether nothing at or below this path can be taken.
  func isExcluded(_ relativePath: FilePath) -> Bool {
    exclude.contains { Self.matches(relativePath, $0) }
  }

  private static func matches(_ path: FilePath, _ pattern: String) -> Bool {
    var pattern = Substring(pattern)
    let isAnchored = pattern.contains("/")
    while pattern.first == "/" { pattern = pattern.dropFirst() }
    while pattern.last == "/" { pattern = pattern.dropLast() }
    let glob = String(pattern)
    if !isAnchored {
      return path.components.contains { name in
        name.withPlatformString { fnmatch(glob, $0, 0) } == 0
      }
    }
    var part = path
    while !part.isEmpty {
      if part.withPlatformString({ fnmatch(glob, $0, 0) }) == 0 { return true }
      if !part.removeLastComponent() { return false }
    }
    return false
  }
}
