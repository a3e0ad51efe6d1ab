import Glibc
import SystemPackage

/// Open folder: everything in it is reached from it by single names, and no name is followed where
/// it is a symbolic link.
///
/// So nobody who may write in the folder, or replace it, can lead a run elsewhere. A folder is opened
/// once, by a path whose links are followed as a ``LinkRule`` says; what lies in it by
/// ``folder(named:making:)``.
package final class OpenFolder: Sendable {
  /// For messages.
  package let path: FilePath
  private let descriptor: FileDescriptor

  /// Opens the folder at `path`.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - rule: Which links are followed.
  ///   - making: Whether it is made, below the rule's root, if it is not there.
  /// - Throws: `Errno`.
  package init(
    _ path: FilePath, following rule: LinkRule = .all, making: Bool = false
  ) throws(Errno) {
    self.path = path
    descriptor = try rule.open(path, O_RDONLY | O_DIRECTORY, making: making)
  }

  private init(_ path: FilePath, _ descriptor: FileDescriptor) {
    self.path = path
    self.descriptor = descriptor
  }

  deinit { try? descriptor.close() }

  private static func open(
    _ parent: Int32, _ path: FilePath
  ) throws(Errno) -> FileDescriptor {
    let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
    return FileDescriptor(
      rawValue: try Errno.result { path.withPlatformString { openat(parent, $0, flags) } })
  }

  /// Why the folder may hold what another user put there; nil if it cannot (``Trust``).
  package var objection: String? { Trust.objection(to: descriptor) }

  // MARK: - What lies in it

  /// Opens a folder in this one.
  ///
  /// - Parameters:
  ///   - name: Its name.
  ///   - making: Whether to make it if it is not there; whoever makes it first wins.
  ///   - mode: Its permissions then, less what the process masks out.
  /// - Returns: The folder.
  /// - Throws: `Errno`; `notDirectory` where something else bears the name, a link among them.
  package func folder(
    named name: FilePath.Component, making: Bool, mode: mode_t = 0o777
  ) throws(Errno) -> OpenFolder {
    let path = path.appending(name: name.bytes)
    var attempts = 0
    while true {
      do throws(Errno) {
        return OpenFolder(
          path, try Self.open(descriptor.rawValue, FilePath(name)))
      } catch {
        // More than once, as another run may remove a folder that is still empty.
        guard error == .noSuchFileOrDirectory, making, attempts < 3 else { throw error }
        attempts += 1
        do throws(Errno) {
          try Errno.result { name.withPlatformString { mkdirat(descriptor.rawValue, $0, mode) } }
        } catch {
          if error != .fileExists { throw error }
        }
      }
    }
  }

  /// Opens the folder that lies below this one at a relative path.
  ///
  /// - Throws: `Errno`; `invalidArgument` for a path that leads up or starts at the root.
  package func folder(
    at relative: FilePath, making: Bool, mode: mode_t = 0o777
  ) throws(Errno) -> OpenFolder {
    if relative.isAbsolute { throw .invalidArgument }
    var folder = self
    for component in relative.components where component.kind != .currentDirectory {
      if component.kind == .parentDirectory { throw .invalidArgument }
      folder = try folder.folder(named: component, making: making, mode: mode)
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
      rawValue: try Errno.result {
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
      rawValue: try Errno.result {
        name.withPlatformString { openat(descriptor.rawValue, $0, flags) }
      })
  }

  /// Gives a file this modification time, a link not followed.
  package func touch(_ name: FilePath.Component, _ time: timespec) {
    _ = name.withPlatformString { name in
      [time, time].withUnsafeBufferPointer {
        utimensat(descriptor.rawValue, name, $0.baseAddress, AT_SYMLINK_NOFOLLOW)
      }
    }
  }

  /// Takes from a file or folder what `access` does not give, links not followed.
  package func restrict(_ name: FilePath.Component, to access: FileAccess) {
    guard let status = status(of: name), FileAccess(like: status).exceeds(access),
      let file = try? open(name, .readOnly)
    else { return }
    access.restrict(file)
    try? file.close()
  }

  /// Gives `name` a new name, in this folder or another, in place of what bears that.
  ///
  /// - Throws: `Errno`.
  package func rename(
    _ name: FilePath.Component, to new: FilePath.Component, in other: OpenFolder
  ) throws(Errno) {
    try Errno.result {
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
    var names: [FilePath.Component] = []
    try? list(into: &names)
    return names
  }

  /// All names in it, "." and ".." left out, in no order.
  ///
  /// - Throws: `Errno` where not all could be listed.
  package func allNames() throws(Errno) -> [FilePath.Component] {
    var names: [FilePath.Component] = []
    try list(into: &names)
    return names
  }

  private func list(into names: inout [FilePath.Component]) throws(Errno) {
    guard let stream = stream() else { throw Errno(rawValue: errno) }
    defer { closedir(stream) }
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw Errno(rawValue: errno) }
        return
      }
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
          FilePath.Component(platformString: $0)
        }
      }
      if let name, name.kind == .regular { names.append(name) }
    }
  }

  /// What lists the names, to be closed by whoever asked for it; nil where `errno` says why.
  package func stream() -> OpaquePointer? {
    // A copy of its own, as the stream closes it and moves its place.
    guard let copy = try? Self.open(descriptor.rawValue, ".") else { return nil }
    if let stream = fdopendir(copy.rawValue) { return stream }
    let reason = errno
    try? copy.close()
    errno = reason
    return nil
  }

  /// Puts the names on disk, so that they outlast a crash of the machine.
  package func sync() { fsync(descriptor.rawValue) }

  /// Waits for the lock on the folder itself. Where a file system knows no locks, there is none.
  ///
  /// - Parameter isPatient: Asked between attempts whether to go on waiting.
  /// - Returns: Whether the lock, if there can be one, was had.
  package func lock(while isPatient: () -> Bool) -> Bool {
    while flock(descriptor.rawValue, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      guard isPatient() else { return false }
      usleep(2000)
    }
    return true
  }

  package func unlock() { flock(descriptor.rawValue, LOCK_UN) }
}
