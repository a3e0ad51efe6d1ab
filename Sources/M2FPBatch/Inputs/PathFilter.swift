import Glibc
import M2FPFiles
import M2FPResults
import SystemPackage

/// Which of the files found are taken: the patterns to include and to exclude.
///
/// A pattern is a shell pattern (`*`, `?`, `[a-z]`; POSIX fnmatch). One without a slash is compared
/// with the name of the file and of each folder above it; one with a slash with the whole relative
/// path of each, where `*` takes slashes, too. What lies in a folder that matches, matches.
///
/// Patterns are bytes, as paths are: to a text `/` and a mark that combines with it are one character,
/// and no slash.
public struct PathFilter: Sendable, Equatable {
  private let include: [[UInt8]]
  private let exclude: [[UInt8]]

  /// - Parameters:
  ///   - include: A file must match one of these; if there are none, every file does.
  ///   - exclude: A file must match none of these.
  public init(include: [[UInt8]] = [], exclude: [[UInt8]] = []) {
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

  private static func matches(_ path: FilePath, _ pattern: [UInt8]) -> Bool {
    let slash = UInt8(ascii: "/")
    let glob = pattern.drop { $0 == slash }.reversed().drop { $0 == slash }.reversed()
    func takes(_ name: UnsafePointer<CChar>) -> Bool {
      (glob.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
        fnmatch($0.baseAddress, name, 0) == 0
      }
    }
    if !pattern.contains(slash) {
      return path.components.contains { $0.withPlatformString(takes) }
    }
    var part = path
    while !part.isEmpty {
      if part.withPlatformString(takes) { return true }
      if !part.removeLastComponent() { return false }
    }
    return false
  }
}
