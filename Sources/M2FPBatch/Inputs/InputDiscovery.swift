import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Finds the images that a user's paths mean.
public struct InputDiscovery {
  private let recursive: Bool
  private let filter: PathFilter
  private let links: LinkPolicy
  private let onLeftOut: (FilePath) -> Void
  private var found: [Input] = []
  /// The front of the paths that are looked at which was named.
  private var root: FilePath?
  /// Folders that were walked, so that a loop of symbolic links ends.
  private var visited: Set<FileIdentity> = []

  /// Lists the inputs under `paths`, folders sorted by name.
  ///
  /// Hidden files and folders and m2fp's own outputs are left out.
  ///
  /// - Parameters:
  ///   - paths: Files and folders.
  ///   - listed: More of them, from a list: what a program wrote there, a person need not have meant,
  ///     so that what bears the name of an output is left out, as in folders.
  ///   - recursive: Whether folders within folders count.
  ///   - filter: Which of the files are taken.
  ///   - links: Which symbolic links are followed, of those that were not named: found in folders, or
  ///     listed.
  ///   - onLeftOut: Called with each of them that is not.
  /// - Returns: What to parse, and with a failure what looks like an image but cannot be one.
  static func inputs(
    under paths: [FilePath], listed: [PathList.Entry] = [], recursive: Bool,
    filter: PathFilter = PathFilter(), links: LinkPolicy = .own,
    onLeftOut: (FilePath) -> Void = { _ in }
  ) -> [Input] {
    withoutActuallyEscaping(onLeftOut) { onLeftOut in
      var discovery = InputDiscovery(
        recursive: recursive, filter: filter, links: links, onLeftOut: onLeftOut)
      discovery.add(paths, listed)
      return discovery.found
    }
  }

  private mutating func add(_ paths: [FilePath], _ listed: [PathList.Entry]) {
    for path in paths where !OutputNames.isOutput(path) {
      root = nil
      add(path, relative: nil)
    }
    for entry in listed {
      if let path = entry.path {
        if OutputNames.isOutput(path) || OutputNames.isOutputName(path.name) { continue }
        root = entry.root ?? path.folder
        if let link = LinkRule(below: root, links).refusedLink(in: path) {
          onLeftOut(link)
          continue
        }
        add(path, relative: entry.relativePath, doubt: entry.doubt)
      } else {
        fail(
          FilePath(entry.text), FilePath(entry.text), .unreadable,
          "the list's entry holds a zero byte, which no path does", detail: .zeroByte)
      }
    }
  }

  private init(
    recursive: Bool, filter: PathFilter, links: LinkPolicy, onLeftOut: @escaping (FilePath) -> Void
  ) {
    self.recursive = recursive
    self.filter = filter
    self.links = links
    self.onLeftOut = onLeftOut
  }

  /// `relative` is the path's part below the folder it was found in; nil if the user named it, so
  /// that a file is called by its name and a folder is such a folder.
  private mutating func add(_ path: FilePath, relative: FilePath?, doubt: String? = nil) {
    let name = relative ?? path.fileName
    switch FileKind(path) {
    case .missing:
      fail(path, name, .missing, "no such file or folder" + (doubt.map { " (\($0))" } ?? ""))
    case .danglingLink:
      fail(path, name, .notAFile, "is a symbolic link to nothing")
    case .unknown(let reason):
      fail(path, name, .unreadable, "cannot be looked at: \(reason)")
    case .folder(let identity):
      if relative.map(filter.isExcluded) ?? false { break }
      root = root ?? path
      walk(path, relative: relative ?? "", identity)
    case .file where OutputNames.isOutputName(path.name):
      fail(path, name, .notAFile, "has the name of an output of m2fp: rename it")
    case .file:
      if filter.takes(name) { take(path, name) }
    case .other(let kind):
      fail(path, name, .notAFile, "is \(kind), not a file")
    }
  }

  private mutating func walk(
    _ folder: FilePath, relative: FilePath, _ identity: FileIdentity
  ) {
    guard visited.insert(identity).inserted else { return }
    let opened: OpenFolder
    do throws(Errno) {
      opened = try OpenFolder(folder, following: LinkRule(below: root, links))
    } catch {
      fail(folder, relative, .unreadable, "the folder cannot be listed: \(error.reason)")
      return
    }
    guard let stream = opened.stream() else {
      fail(folder, relative, .unreadable, "the folder cannot be listed: \(Errno.last.reason)")
      return
    }
    defer { closedir(stream) }
    var entries: [(name: [UInt8], isRegular: Bool)] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 {
          let reason = Errno.last.reason
          fail(folder, relative, .unreadable, "the folder cannot be listed whole: \(reason)")
        }
        break
      }
      let isRegular = entry.pointee.d_type == UInt8(DT_REG)
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: UInt8.self, capacity: Int(NAME_MAX) + 1) {
          Array(UnsafeBufferPointer(start: $0, count: strlen($0)))
        }
      }
      // Hidden ones, and what masks and maps are called.
      if name.first == UInt8(ascii: ".") || OutputNames.isOutputName(name) { continue }
      // Nothing else can be an image, and of 200,000 files many may be something else.
      if isRegular && !isImageName(name) { continue }
      entries.append((name, isRegular))
    }
    for entry in entries.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
      let path = folder.appending(name: entry.name)
      let below = relative.appending(name: entry.name)
      // The listing says what most files are: no need to ask for each of 200,000.
      if entry.isRegular {
        if filter.takes(below) { take(path, below) }
      } else {
        consider(
          path, below, isImage: isImageName(entry.name),
          isRefused: isRefused(entry.name, in: opened))
      }
    }
  }

  private mutating func take(_ path: FilePath, _ relative: FilePath) {
    found.append(Input(path: path, relativePath: relative, root: root))
  }

  /// Whether this is a link that is not followed.
  private func isRefused(_ name: [UInt8], in folder: OpenFolder) -> Bool {
    guard let name = FilePath(bytes: name)?.lastComponent, let status = folder.status(of: name)
    else { return false }
    return status.st_mode & S_IFMT == S_IFLNK && !links.follows(status)
  }

  private mutating func consider(
    _ path: FilePath, _ relative: FilePath, isImage: Bool, isRefused: Bool
  ) {
    let kind = FileKind(path)
    if case .folder(let identity) = kind, !isImage {
      guard recursive, !filter.isExcluded(relative), !OutputNames.isOutput(path) else { return }
      if isRefused { return onLeftOut(path) }
      walk(path, relative: relative, identity)
      return
    }
    guard isImage, filter.takes(relative) else { return }
    if isRefused { return onLeftOut(path) }
    switch kind {
    case .folder:
      fail(
        path, relative, .notAFile,
        "is a folder with the name of an image", detail: .folderNamedAsImage)
    case .file:
      take(path, relative)
    case .danglingLink:
      fail(path, relative, .notAFile, "is a symbolic link to nothing")
    case .other(let kind):
      fail(path, relative, .notAFile, "is \(kind), not a file")
    case .unknown(let reason):
      fail(path, relative, .unreadable, "cannot be looked at: \(reason)")
    case .missing:
      // Gone since the folder was listed.
      fail(path, relative, .unreadable, "vanished while the folder was listed")
    }
  }

  private func isImageName(_ name: [UInt8]) -> Bool {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return false }
    let ending = String(decoding: name[(dot + 1)...], as: Unicode.ASCII.self)
    return ImageFormat.fileExtensions.contains(ending.lowercased())
  }

  private mutating func fail(
    _ path: FilePath, _ relative: FilePath, _ code: FileFailure.Code, _ message: String,
    detail: FileFailure.Detail? = nil
  ) {
    guard !filter.isExcluded(relative) else { return }
    found.append(
      Input(
        path: path, relativePath: relative,
        failure: FileFailure(stage: .read, code: code, message: message, detail: detail)))
  }
}
