import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Finds photos in folders when they are whole: when their writer has closed them, or moved them there.
///
/// By Linux's inotify. A file that lies there already is taken unless somebody has it open to write,
/// which a read lease tells where the system grants one. For one thread.
final class FolderWatch {
  /// Something that has come, and where it lies below the folder that was named.
  private struct Place {
    let path: FilePath
    let relative: FilePath
    let root: FilePath
  }

  private let descriptor: FileDescriptor
  private let roots: [FilePath]
  private let selection: Selection
  private let onInput: (Input) -> Void
  private let onLeftOut: (LeftOut) -> Void
  /// The folders that are watched, by inotify's numbers.
  private var folders: [Int32: Place] = [:]

  /// Starts to watch, before anything is looked for.
  ///
  /// - Parameters:
  ///   - selection: Its paths are folders.
  ///   - onInput: Called with each photo that has come, and with what cannot be one.
  ///   - onLeftOut: Called with what else has come.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput`` where a path is no folder, or
  ///   ``RunFailure/Kind/temporary`` where the system watches no more folders for this user.
  init(
    _ selection: Selection, onInput: @escaping (Input) -> Void,
    onLeftOut: @escaping (LeftOut) -> Void
  ) throws(RunFailure) {
    self.selection = selection
    self.onInput = onInput
    self.onLeftOut = onLeftOut
    roots = selection.paths
    let descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
    guard descriptor >= 0 else { throw Self.tooMany(roots.first ?? "", .last) }
    self.descriptor = FileDescriptor(rawValue: descriptor)
    for root in roots {
      guard case .folder = FileKind(root) else {
        throw RunFailure(.noInput, "'\(root)' is no folder that can be watched")
      }
      try watch(Place(path: root, relative: "", root: root))
    }
  }

  deinit { try? descriptor.close() }

  private static func tooMany(_ folder: FilePath, _ error: Errno) -> RunFailure {
    RunFailure(
      .temporary,
      "'\(folder)' cannot be watched: "
        + (error == .noSpace || error == .tooManyOpenFiles
          ? "the system's limit of watched folders is reached (fs.inotify.max_user_watches, "
            + "max_user_instances)" : error.reason),
      underlying: error)
  }

  // MARK: - What comes

  /// Looks through all folders.
  func scan() throws(RunFailure) {
    for root in roots { take(Place(path: root, relative: "", root: root)) }
  }

  /// Waits for something to come, and takes it.
  ///
  /// - Parameter milliseconds: How long at most.
  /// - Throws: ``RunFailure`` where a new folder cannot be watched, or one that was named has gone.
  func wait(milliseconds: Int32) throws(RunFailure) {
    var poll = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
    guard Glibc.poll(&poll, 1, milliseconds) > 0 else { return }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    let count = buffer.withUnsafeMutableBytes {
      read(descriptor.rawValue, $0.baseAddress, $0.count)
    }
    var start = 0
    while start + MemoryLayout<inotify_event>.size <= count {
      let event = buffer.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: start, as: inotify_event.self)
      }
      let name = start + MemoryLayout<inotify_event>.size
      let end = name + Int(event.len)
      try happened(event, Array(buffer[name..<end].prefix { $0 != 0 }))
      start = end
    }
  }

  private func happened(_ event: inotify_event, _ name: [UInt8]) throws(RunFailure) {
    if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { return try scan() }
    if event.mask & UInt32(IN_IGNORED | IN_MOVE_SELF) != 0 {
      if let folder = folders[event.wd], folder.relative.isEmpty {
        // Nothing would ever come again.
        throw RunFailure(
          .noInput, "'\(folder.path)' was moved or removed, and is watched no more")
      }
      if event.mask & UInt32(IN_IGNORED) != 0 { folders[event.wd] = nil }
      return
    }
    guard let folder = folders[event.wd], !name.isEmpty, Self.isLookedAt(name) else { return }
    let place = Place(
      path: folder.path.appending(name: name), relative: folder.relative.appending(name: name),
      root: folder.root)
    let isFolder = event.mask & UInt32(IN_ISDIR) != 0
    if isFolder, event.mask & UInt32(IN_MOVED_FROM) != 0 {
      forget(place.path)
    } else if isFolder, event.mask & UInt32(IN_CREATE | IN_MOVED_TO) != 0 {
      guard selection.recursive, !selection.filter.isExcluded(place.relative) else { return }
      // First, so that what comes while it is looked through is not missed.
      try watch(place)
      take(place)
    } else if !isFolder, event.mask & UInt32(IN_CLOSE_WRITE | IN_MOVED_TO) != 0 {
      take(place)
    }
  }

  /// Neither hidden, nor the name of an output or of the folder of the masks, which come before the sidecar
  /// that tells what they are.
  private static func isLookedAt(_ name: [UInt8]) -> Bool {
    name.first != UInt8(ascii: ".") && !OutputNames.isOutputName(name)
      && !name.ends(with: OutputNames.masksSuffix)
  }

  /// Takes a file, or all files in a folder.
  private func take(_ place: Place) {
    let inputs = InputDiscovery.inputs(
      at: place.path, relative: place.relative, root: place.root, selection, onLeftOut: onLeftOut)
    for input in inputs where input.failure != nil || !Self.isBeingWritten(input.path) {
      onInput(input)
    }
  }

  /// `F_SETLEASE` and `F_SETSIG`, macros that Swift does not see; the same on all of Linux's architectures.
  private static let setLease: Int32 = 1024
  private static let setSignal: Int32 = 10

  /// Whether somebody has a file open to write: its end will be told.
  private static func isBeingWritten(_ path: FilePath) -> Bool {
    guard
      let file = try? FileDescriptor.open(path, .readOnly, options: [.nonBlocking, .closeOnExec])
    else { return false }
    defer { try? file.close() }
    // Whoever opens it to write meanwhile is not kept waiting, and the signal that tells of it is one that
    // ends no process.
    _ = fcntl(file.rawValue, Self.setSignal, SIGURG)
    // Another system's reason to refuse (a file of somebody else's, a network's file system) says nothing.
    if fcntl(file.rawValue, Self.setLease, Int32(F_RDLCK)) != 0 { return errno == EAGAIN }
    _ = fcntl(file.rawValue, Self.setLease, Int32(F_UNLCK))
    return false
  }

  // MARK: - Folders

  private static let events = UInt32(
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_ONLYDIR | IN_DONT_FOLLOW)

  /// Watches a folder, and those in it.
  private func watch(_ folder: Place) throws(RunFailure) {
    // What the user named may be a link, and is missed when it goes.
    let events =
      folder.relative.isEmpty
      ? Self.events & ~UInt32(IN_DONT_FOLLOW) | UInt32(IN_MOVE_SELF) : Self.events
    let number = folder.path.withPlatformString {
      inotify_add_watch(descriptor.rawValue, $0, events)
    }
    guard number >= 0 else {
      let error = Errno.last
      // Gone again, or a link.
      if [.noSuchFileOrDirectory, .notDirectory, .permissionDenied].contains(error) { return }
      throw Self.tooMany(folder.path, error)
    }
    folders[number] = folder
    guard selection.recursive, let opened = try? OpenFolder(folder.path) else { return }
    for name in opened.names() where Self.isLookedAt(name.bytes) {
      let below = folder.relative.appending(name)
      guard let status = opened.status(of: name), status.st_mode & S_IFMT == S_IFDIR,
        !selection.filter.isExcluded(below), !LeftOut.Kind.isSystemFolder(name.bytes)
      else { continue }
      try watch(
        Place(path: folder.path.appending(name), relative: below, root: folder.root))
    }
  }

  /// Ends to watch a folder that was moved away, and those in it.
  private func forget(_ path: FilePath) {
    for (number, place) in folders where place.path.starts(with: path) {
      inotify_rm_watch(descriptor.rawValue, number)
      folders[number] = nil
    }
  }
}
