import Glibc
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
  private let byName: Bool
  private let onLeftOut: (LeftOut) -> Void
  private var found: [Input] = []
  /// Those of ``found``, by index, that are photos only if what is in them says so.
  private var doubtful: [Int] = []
  /// The front of the paths that are looked at which was named.
  private var root: FilePath?
  /// Folders that were walked, so that a loop of symbolic links ends.
  private var visited: Set<FileIdentity> = []

  /// Lists the inputs under `paths`, folders sorted by name.
  ///
  /// A file in a folder is taken if it is named like a photo, or else begins like one; in each folder
  /// the latter come last. Hidden files and folders, m2fp's own outputs, and the exports of earlier runs
  /// are left out without a word.
  ///
  /// - Parameters:
  ///   - paths: Files and folders.
  ///   - listed: More of them, from a list: what a program wrote there, a person need not have meant,
  ///     so that what bears the name of an output is left out, as in folders.
  ///   - recursive: Whether folders within folders count.
  ///   - filter: Which of the files are taken.
  ///   - links: Which symbolic links are followed, of those that were not named: found in folders, or
  ///     listed.
  ///   - byName: Whether names alone decide what is a photo: no file is looked into.
  ///   - cancellation: Ends looking into files; those that are left then count as photos.
  ///   - onLeftOut: Called with each thing in a folder that is not parsed, and each link that is not
  ///     followed.
  /// - Returns: What to parse, and with a failure what looks like an image but cannot be one.
  static func inputs(
    under paths: [FilePath], listed: [PathList.Entry] = [], recursive: Bool,
    filter: PathFilter = PathFilter(), links: LinkPolicy = .own, byName: Bool = false,
    cancellation: Cancellation? = nil, onLeftOut: (LeftOut) -> Void = { _ in }
  ) -> [Input] {
    withoutActuallyEscaping(onLeftOut) { onLeftOut in
      var discovery = InputDiscovery(
        recursive: recursive, filter: filter, links: links, byName: byName, onLeftOut: onLeftOut)
      discovery.add(paths, listed)
      discovery.lookIntoDoubtful(cancellation)
      return discovery.found
    }
  }

  /// Lists what has come into a folder: a file, or the files in a folder, by the rules of files in folders.
  ///
  /// - Parameters:
  ///   - path: What has come; what has gone again is passed over.
  ///   - relative: The same below `root`; empty for that.
  ///   - root: The folder that was named.
  ///   - selection: What of it is taken.
  ///   - onLeftOut: Called with each thing that is not parsed.
  /// - Returns: What to parse, and with a failure what looks like an image but cannot be one.
  static func inputs(
    at path: FilePath, relative: FilePath, root: FilePath, _ selection: Selection,
    onLeftOut: @escaping (LeftOut) -> Void
  ) -> [Input] {
    var discovery = InputDiscovery(
      recursive: selection.recursive, filter: selection.filter, links: selection.links,
      byName: selection.byName, onLeftOut: onLeftOut)
    discovery.root = root
    switch FileKind(path) {
    case .missing: return []
    case .folder where relative.isEmpty: discovery.add(path, relative: "")
    default:
      guard
        let folder = try? OpenFolder(
          path.folder, following: LinkRule(below: root, selection.links))
      else { return [] }
      let other = discovery.consider(
        path, relative, isImage: discovery.isImageName(path.name),
        isRefused: discovery.isRefused(path.name, in: folder))
      if let other { discovery.takeOthers([other], in: path.folder) }
    }
    discovery.lookIntoDoubtful(nil)
    return discovery.found
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
          leaveOut(link, entry.relativePath, .link)
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
    recursive: Bool, filter: PathFilter, links: LinkPolicy, byName: Bool,
    onLeftOut: @escaping (LeftOut) -> Void
  ) {
    self.recursive = recursive
    self.filter = filter
    self.links = links
    self.byName = byName
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
      // Where it was not named itself.
      if name == Self.exportMarker, !relative.isEmpty {
        leaveOut(folder, relative, .export)
        return
      }
      // Hidden ones, and what masks and maps are called.
      if name.first == UInt8(ascii: ".") || OutputNames.isOutputName(name) { continue }
      entries.append((name, isRegular))
    }
    // After the photos that are named so, which have the first claim to the names of outputs.
    var others: [FilePath] = []
    for entry in entries.sorted(by: { $0.name.lexicographicallyPrecedes($1.name) }) {
      let below = relative.appending(name: entry.name)
      // The listing says what most files are: no need to ask for each of 200,000.
      let isImage = isImageName(entry.name)
      if !entry.isRegular {
        if let file = consider(
          folder.appending(name: entry.name), below, isImage: isImage,
          isRefused: isRefused(entry.name, in: opened))
        {
          others.append(file)
        }
      } else if !isImage {
        others.append(below)
      } else if filter.takes(below) {
        take(folder.appending(name: entry.name), below)
      }
    }
    takeOthers(others, in: folder)
  }

  /// Takes files of a folder whose names say nothing, until they are looked into.
  private mutating func takeOthers(_ others: [FilePath], in folder: FilePath) {
    for below in others where filter.takes(below) {
      let path = folder.appending(name: below.name)
      let kind = LeftOut.Kind(fileName: below.name)
      if byName || !kind.mayHoldPhoto {
        leaveOut(path, below, kind)
      } else {
        doubtful.append(found.count)
        take(path, below)
      }
    }
  }

  private mutating func take(_ path: FilePath, _ relative: FilePath) {
    found.append(Input(path: path, relativePath: relative, root: root))
  }

  private func leaveOut(_ path: FilePath, _ relative: FilePath, _ kind: LeftOut.Kind) {
    onLeftOut(LeftOut(path: path, relativePath: relative, kind: kind))
  }

  /// Takes out again what is no photo.
  private mutating func lookIntoDoubtful(_ cancellation: Cancellation?) {
    if doubtful.isEmpty { return }
    let files = doubtful.map { found[$0] }
    let links = links
    var contents = [Content](repeating: .photo, count: files.count)
    contents.withUnsafeMutableBufferPointer { contents in
      // Each is written by one thread.
      nonisolated(unsafe) let contents = contents
      DiskThreads.perform(files.count, cancellation: cancellation) {
        contents[$0] = Self.content(of: files[$0], links)
      }
    }
    var others: Set<Int> = []
    for (index, content) in zip(doubtful, contents) where content != .photo {
      others.insert(index)
      let file = found[index]
      let kind = content == .export ? .export : LeftOut.Kind(fileName: file.path.name)
      leaveOut(file.path, file.relativePath, kind)
    }
    found = found.indices.filter { !others.contains($0) }.map { found[$0] }
  }

  private static let exportMarker = AtomicFolder.marker.bytes

  /// What a file is, by how it begins.
  private enum Content {
    case photo
    /// Of an earlier run.
    case export
    case other
  }

  /// What cannot be opened counts as something else.
  private static func content(of file: Input, _ links: LinkPolicy) -> Content {
    let rule = LinkRule(below: file.root, links)
    guard let opened = try? rule.open(file.path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else {
      return .other
    }
    defer { try? opened.close() }
    let size = max(ImageDecoder.signatureSize, ExportSignature.size)
    return withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) {
      let count = read(opened.rawValue, $0.baseAddress, $0.count)
      let beginning = UnsafeRawBufferPointer(rebasing: $0[..<max(0, count)])
      let signature = UnsafeRawBufferPointer(
        rebasing: beginning.prefix(ImageDecoder.signatureSize))
      return ImageDecoder.isPhoto(signature)
        ? .photo : ExportSignature.begins(beginning) ? .export : .other
    }
  }

  /// Whether this is a link that is not followed.
  private func isRefused(_ name: [UInt8], in folder: OpenFolder) -> Bool {
    guard let name = FilePath(bytes: name)?.lastComponent, let status = folder.status(of: name)
    else { return false }
    return status.st_mode & S_IFMT == S_IFLNK && !links.follows(status)
  }

  /// Takes what lies in a folder, or walks it.
  ///
  /// - Returns: The relative path of a file whose name says nothing, as it came.
  private mutating func consider(
    _ path: FilePath, _ relative: FilePath, isImage: Bool, isRefused: Bool
  ) -> FilePath? {
    let kind = FileKind(path)
    if case .folder(let identity) = kind, !isImage {
      guard recursive, !filter.isExcluded(relative), !OutputNames.isOutput(path) else { return nil }
      if isRefused {
        leaveOut(path, relative, .link)
      } else if LeftOut.Kind.isSystemFolder(relative.name) {
        leaveOut(path, relative, .system)
      } else {
        walk(path, relative: relative, identity)
      }
      return nil
    }
    guard filter.takes(relative) else { return nil }
    if isRefused {
      leaveOut(path, relative, .link)
      return nil
    }
    guard isImage else {
      switch kind {
      case .file: return relative
      case .danglingLink, .other: leaveOut(path, relative, .special)
      case .folder, .unknown, .missing: break
      }
      return nil
    }
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
    return nil
  }

  private func isImageName(_ name: [UInt8]) -> Bool {
    OutputPlan.stem(name).count < name.count
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
