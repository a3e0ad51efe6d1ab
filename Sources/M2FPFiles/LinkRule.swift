import CFileCalls
import Glibc
import M2FPCore
import SystemPackage

/// Which symbolic links are followed that were found, rather than named.
public enum LinkPolicy: String, Sendable, CaseIterable {
  /// Those that belong to the user who runs this, or to root.
  case own
  case follow, none

  /// Whether a link is followed.
  package func follows(_ link: stat) -> Bool {
    switch self {
    case .own: Trust.owns(link)
    case .follow: true
    case .none: false
    }
  }
}

/// Which links of one path are followed: those in its front, which the user named, always; those
/// behind, which others may have planted, by a policy.
package struct LinkRule: Sendable, Hashable {
  /// The front; nil where all of the path was named.
  private let root: FilePath?
  private let policy: LinkPolicy

  package init(below root: FilePath?, _ policy: LinkPolicy) {
    self.root = root
    self.policy = policy
  }

  /// For a path that the user named.
  package static let all = LinkRule(below: nil, .follow)

  /// As many as Linux itself follows in one path.
  private static let mostLinks = 40

  /// The front of a path and what is behind it; nil where no link of the path is looked at.
  private func split(_ path: FilePath) -> (root: FilePath, below: FilePath)? {
    guard policy != .follow, let root else { return nil }
    // "." is the front of every relative path.
    let isBelowAll = root == "." && !path.isAbsolute
    guard let below = path.below(root) ?? (isBelowAll ? path : nil), !below.isEmpty else {
      return nil
    }
    return (root, below)
  }

  /// The front of a path: all of it where all was named.
  package func named(_ path: FilePath) -> FilePath { split(path)?.root ?? path }

  /// Opens what lies at a path.
  ///
  /// - Parameters:
  ///   - path: A file or folder.
  ///   - flags: Those of `open`, which makes nothing here.
  ///   - making: Whether folders that are missing are made.
  /// - Returns: The open file.
  /// - Throws: `Errno`; `tooManySymbolicLinkLevels` where a link is not followed.
  package func open(
    _ path: FilePath, _ flags: Int32, making: Bool = false
  ) throws(Errno) -> FileDescriptor {
    let flags = flags | O_CLOEXEC
    guard let (root, below) = split(path) else { return try Self.openAt(AT_FDCWD, path, flags) }
    let folder = Descriptor(try Self.openAt(AT_FDCWD, root, m2fp_o_path | O_DIRECTORY | O_CLOEXEC))
    do throws(Errno) {
      return FileDescriptor(
        rawValue: try Errno.result {
          below.withPlatformString { m2fp_open_beneath(folder.raw, $0, flags) }
        })
    } catch {
      switch error {
      // No such call; a link, or a way out, which may be followed; something was renamed meanwhile.
      case .noFunction, .tooManySymbolicLinkLevels, Errno(rawValue: EXDEV),
        .resourceTemporarilyUnavailable:
        break
      case .noSuchFileOrDirectory where making: break
      default: throw error
      }
    }
    return try walk(below, from: folder, flags, making: making)
  }

  /// Goes from name to name, and looks whose each link is before it is followed.
  private func walk(
    _ path: FilePath, from start: Descriptor, _ flags: Int32, making: Bool
  ) throws(Errno) -> FileDescriptor {
    let place = m2fp_o_path | O_NOFOLLOW | O_CLOEXEC
    var folder = start
    var rest = Array(path.components.reversed())
    var links = 0
    while let name = rest.popLast() {
      let next: Descriptor
      do throws(Errno) {
        next = Descriptor(try Self.openAt(folder.raw, FilePath(name), place))
      } catch {
        guard error == .noSuchFileOrDirectory, making, name.kind == .regular else { throw error }
        do throws(Errno) {
          try Errno.result { name.withPlatformString { mkdirat(folder.raw, $0, 0o777) } }
        } catch {
          if error != .fileExists { throw error }
        }
        next = Descriptor(try Self.openAt(folder.raw, FilePath(name), place))
      }
      var status = stat()
      try Errno.result { fstat(next.raw, &status) }
      if status.st_mode & S_IFMT == S_IFLNK {
        links += 1
        guard policy.follows(status), links <= Self.mostLinks else {
          throw .tooManySymbolicLinkLevels
        }
        let target = try Self.target(of: next)
        if target.isAbsolute { folder = Descriptor(try Self.openAt(AT_FDCWD, "/", place)) }
        rest += target.components.reversed()
      } else if rest.isEmpty {
        return try Self.openAt(folder.raw, FilePath(name), flags | O_NOFOLLOW)
      } else {
        folder = next
      }
    }
    return try Self.openAt(folder.raw, ".", flags)
  }

  /// The first link of a path that is not followed; nil if there is none. What changes meanwhile is
  /// seen when the path is opened.
  package func refusedLink(in path: FilePath) -> FilePath? {
    guard let (root, below) = split(path) else { return nil }
    var part = root
    for name in below.components {
      part.append(name)
      var status = stat()
      guard part.withPlatformString({ lstat($0, &status) }) == 0 else { return nil }
      if status.st_mode & S_IFMT == S_IFLNK, !policy.follows(status) { return part }
    }
    return nil
  }

  private static func target(of link: Descriptor) throws(Errno) -> FilePath {
    var text = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    try Errno.result { Int32(readlinkat(link.raw, "", &text, Int(PATH_MAX))) }
    let path = FilePath(platformString: text)
    if path.isEmpty { throw .noSuchFileOrDirectory }
    return path
  }

  private static func openAt(
    _ folder: Int32, _ path: FilePath, _ flags: Int32
  ) throws(Errno) -> FileDescriptor {
    FileDescriptor(
      rawValue: try Errno.result { path.withPlatformString { openat(folder, $0, flags) } })
  }
}

/// A descriptor that is closed with its last owner.
package final class Descriptor: Sendable {
  package let file: FileDescriptor
  package var raw: Int32 { file.rawValue }

  package init(_ file: FileDescriptor) { self.file = file }

  deinit { try? file.close() }
}

extension Errno {
  /// What a system call returns, which is made again when a signal interrupted it.
  ///
  /// - Throws: `Errno` where it returns less than 0.
  @discardableResult
  static func result(_ call: () -> Int32) throws(Errno) -> Int32 {
    while true {
      let result = call()
      if result >= 0 { return result }
      let reason = Errno.last
      if reason != .interrupted { throw reason }
    }
  }
}
