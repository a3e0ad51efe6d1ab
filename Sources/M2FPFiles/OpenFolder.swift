import Foundation
import SystemPackage

/// Open folder: everything in it is reached from it by single names, and no name is followed where
/// it is a symbolic link.
///
/// So nobody who may write in the folder, or replace it, can lead a run elsewhere. A folder is opened
/// once, by a path whose links are followed; what lies in it by ``folder(named:making:)``.
package final class OpenFolder: Sendable {
  /// For messages.
  package let path: FilePath
  private let descriptor: FileDescriptor

  /// Opens the folder at `path`, links followed.
  ///
  /// - Throws: `Errno`.
  package init(_ path: FilePath) throws(Errno) {
    self.path = path
    descriptor = try Self.open(AT_FDCWD, path, following: true)
  }

  private init(_ path: FilePath, _ descriptor: FileDescriptor) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { try? descriptor.close() }

  private static func open(
    _ parent: Int32, _ path: FilePath, following: Bool
  ) throws(Errno) -> FileDescriptor {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (following ? 0 : O_NOFOLLOW)
    return FileDescriptor(
      rawValue: try result { path.withPlatformString { openat(parent, $0, flags) } })
  }

  // MARK: - What lies in it

  /// Opens a folder in this one.
  ///
  /// - Parameters:
  ///   - name: Its name.
  ///   - making: Whether to make it if it is not there; whoever makes it first wins.
  /// - Returns: The folder.
  /// - Throws: `Errno`; `notDirectory` where something else bears the name, a link among them.
  package func folder(named name: FilePath.Component, making: Bool) throws(Errno) -> OpenFolder {
    let path = path.appending(name)
    var attempts = 0
    while true {
      do throws(Errno) {
        return OpenFolder(
          path, try Self.open(descriptor.rawValue, FilePath(name), following: false))
      } catch {
        // More than once, as another run may remove a folder that is still empty.
        guard error == .noSuchFileOrDirectory, making, attempts < 3 else { throw error }
        attempts += 1
        do throws(Errno) {
          try Self.result { name.withPlatformString { mkdirat(descriptor.rawValue, $0, 0o777) } }
        } catch {
          if error != .fileExists { throw error }
        }
      }
    }
  }

  /// Opens the folder that lies below this one at a relative path.
  ///
  /// - Throws: `Errno`; `invalidArgument` for a path that leads up or starts at the root.
  package func folder(at relative: FilePath, making: Bool) throws(Errno) -> OpenFolder {
    if relative.isAbsolute { throw .invalidArgument }
    var folder = self
    for component in relative.components where component.kind != .currentDirectory {
      if component.kind == .parentDirectory { throw .invalidArgument }
      folder = try folder.folder(named: component, making: making)
    }
    return folder
  }

  /// Makes a file that is not there, open for reading and writing.
  ///
  /// - Parameters:
  ///   - name: Its name.
  ///   - mode: Permissions, less what the process masks out.
  /// - Returns: The open file.
  /// - Throws: `Errno`.
  package func create(_ name: FilePath.Component, mode: mode_t) throws(Errno) -> FileDescriptor {
    let flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
    return FileDescriptor(
      rawValue: try Self.result {
        name.withPlatformString { openat(descriptor.rawValue, $0, flags, mode) }
      })
  }

  /// Opens a file without waiting, so that no FIFO in its place can block.
  ///
  /// - Throws: `Errno`.
  package func open(
    _ name: FilePath.Component, _ access: FileDescriptor.AccessMode
  ) throws(Errno) -> FileDescriptor {
    let flags = access.rawValue | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW
    return FileDescriptor(
      rawValue: try Self.result {
        name.withPlatformString { openat(descriptor.rawValue, $0, flags) }
      })
  }

  /// Makes a symbolic link.
  ///
  /// - Throws: `Errno`.
  package func link(_ name: FilePath.Component, to destination: FilePath) throws(Errno) {
    try Self.result {
      destination.withPlatformString { destination in
        name.withPlatformString { symlinkat(destination, descriptor.rawValue, $0) }
      }
    }
  }

  /// Gives `name` a new name, in this folder or another, in place of what bears that.
  ///
  /// - Throws: `Errno`.
  package func rename(
    _ name: FilePath.Component, to new: FilePath.Component, in other: OpenFolder
  ) throws(Errno) {
    try Self.result {
      name.withPlatformString { old in
        new.withPlatformString { new in
          renameat(descriptor.rawValue, old, other.descriptor.rawValue, new)
        }
      }
    }
  }

  /// Removes a file, or a link.
  ///
  /// - Returns: Whether there was one that could be removed.
  @discardableResult
  package func remove(_ name: FilePath.Component) -> Bool {
    name.withPlatformString { unlinkat(descriptor.rawValue, $0, 0) } == 0
  }

  /// Removes a folder if it is empty.
  ///
  /// - Returns: Whether it is gone by this.
  @discardableResult
  package func removeEmptyFolder(_ name: FilePath.Component) -> Bool {
    name.withPlatformString { unlinkat(descriptor.rawValue, $0, AT_REMOVEDIR) } == 0
  }

  /// Removes everything in the folder, as far as that can be; links are removed, not followed.
  package func removeContents() {
    for name in names() {
      if let folder = try? folder(named: name, making: false) {
        folder.removeContents()
        removeEmptyFolder(name)
      } else {
        remove(name)
      }
    }
  }

  /// What is known of `name` itself, a link not followed; nil if there is none.
  package func status(of name: FilePath.Component) -> stat? {
    var status = stat()
    let result = name.withPlatformString {
      fstatat(descriptor.rawValue, $0, &status, AT_SYMLINK_NOFOLLOW)
    }
    return result == 0 ? status : nil
  }

  /// The names in it, "." and ".." left out, in no order; those that could be listed.
  package func names() -> [FilePath.Component] {
    // A copy of its own, as the stream closes it and moves its place.
    guard let copy = try? Self.open(descriptor.rawValue, ".", following: false) else { return [] }
    guard let stream = fdopendir(copy.rawValue) else {
      try? copy.close()
      return []
    }
    defer { closedir(stream) }
    var names: [FilePath.Component] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
          FilePath.Component(platformString: $0)
        }
      }
      if let name, name.kind == .regular { names.append(name) }
    }
    return names
  }

  /// Puts the names on disk, so that they outlast a crash of the machine.
  package func sync() { fsync(descriptor.rawValue) }

  /// Waits for the lock on the folder itself. Where a file system knows no locks, there is none.
  package func lock() { flock(descriptor.rawValue, LOCK_EX) }

  package func unlock() { flock(descriptor.rawValue, LOCK_UN) }

  @discardableResult
  private static func result(_ call: () -> Int32) throws(Errno) -> Int32 {
    while true {
      let result = call()
      if result >= 0 { return result }
      if errno != EINTR { throw Errno(rawValue: errno) }
    }
  }
}
