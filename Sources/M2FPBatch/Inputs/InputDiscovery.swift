import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Finds the images that a user's paths mean.
public struct InputDiscovery {
  /// Names in a folder that are taken for images; a file the user names is taken whatever it is.
  public static let imageExtensions: Set<String> = ["jpg", "jpeg", "jpe", "jfif", "png"]

  private let recursive: Bool
  private let filter: PathFilter
  private var found: [Input] = []
  /// Folders that were walked, so that a loop of symbolic links ends.
  private var visited: Set<FileIdentity> = []

  /// Lists the inputs under `paths`, folders sorted by name.
  ///
  /// Hidden files and folders and m2fp's own outputs are left out.
  ///
  /// - Parameters:
  ///   - paths: Files and folders.
  ///   - listed: More of them, from a list: what a program wrote there, a person need not have meant,
  ///     so that m2fp's own outputs are left out, as in folders.
  ///   - recursive: Whether folders within folders count.
  ///   - filter: Which of the files are taken.
  /// - Returns: What to parse, and with a failure what looks like an image but cannot be one.
  static func inputs(
    under paths: [String], listed: [PathList.Entry] = [], recursive: Bool,
    filter: PathFilter = PathFilter()
  ) -> [Input] {
    var discovery = InputDiscovery(recursive: recursive, filter: filter)
    for path in paths {
      discovery.add(path, relative: nil)
    }
    for entry in listed {
      if let exact = entry.exactPath {
        discovery.fail(entry.path, entry.relativePath, .unreadable, notUTF8, exactPath: exact)
      } else if !OutputNames.isOutput(Paths.lastComponent(entry.path)) {
        discovery.add(entry.path, relative: entry.relativePath)
      }
    }
    return discovery.found
  }

  private init(recursive: Bool, filter: PathFilter) {
    self.recursive = recursive
    self.filter = filter
  }

  /// `relative` is the path's part below the folder it was found in; nil if the user named it, so
  /// that a file is called by its name and a folder is such a folder.
  private mutating func add(_ path: String, relative: String?) {
    let name = relative ?? Paths.lastComponent(path)
    switch FileKind(path) {
    case .missing:
      fail(path, name, .missing, "no such file or folder")
    case .danglingLink:
      fail(path, name, .notAFile, "is a symbolic link to nothing")
    case .unknown(let reason):
      fail(path, name, .unreadable, "cannot be looked at: \(reason)")
    case .folder(let identity):
      if relative.map(filter.isExcluded) ?? false { break }
      walk(Paths.withoutTrailingSlash(path), relative: relative ?? "", identity)
    case .file where OutputNames.isOutput(Paths.lastComponent(path)):
      fail(path, name, .notAFile, "has the name of an output of m2fp: rename it")
    case .file:
      if filter.takes(name) { found.append(Input(path: path, relativePath: name)) }
    case .other(let kind):
      fail(path, name, .notAFile, "is \(kind), not a file")
    }
  }

  private mutating func walk(_ folder: String, relative: String, _ identity: FileIdentity) {
    guard visited.insert(identity).inserted else { return }
    guard let stream = opendir(folder) else {
      fail(folder, relative, .unreadable, "the folder cannot be listed: \(Errno.last.reason)")
      return
    }
    defer { closedir(stream) }
    var entries: [(name: String, isRegular: Bool)] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 {
          let reason = Errno.last.reason
          fail(folder, relative, .unreadable, "the folder cannot be listed whole: \(reason)")
        }
        break
      }
      let type = entry.pointee.d_type
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: UInt8.self, capacity: Int(NAME_MAX) + 1) {
          UnsafeBufferPointer(start: $0, count: strlen($0))
        }
      }
      if let valid = String(validating: name, as: UTF8.self) {
        if !valid.hasPrefix(".") && !OutputNames.isOutput(valid) {
          entries.append((valid, type == UInt8(DT_REG)))
        }
        continue
      }
      let repaired = String(decoding: name, as: UTF8.self)
      if isImageName(repaired) || type == UInt8(DT_DIR) {
        fail(
          folder + "/" + repaired, Paths.join(relative, repaired), .unreadable, Self.notUTF8,
          exactPath: Array((folder + "/").utf8) + name)
      }
    }
    for entry in entries.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      let path = folder == "/" ? "/" + entry.name : folder + "/" + entry.name
      let below = Paths.join(relative, entry.name)
      let isImage = isImageName(entry.name)
      // The listing says what most files are: no need to ask for each of 200,000.
      if entry.isRegular {
        if isImage && filter.takes(below) { found.append(Input(path: path, relativePath: below)) }
      } else {
        consider(path, below, isImage: isImage)
      }
    }
  }

  private mutating func consider(_ path: String, _ relative: String, isImage: Bool) {
    let kind = FileKind(path)
    if case .folder(let identity) = kind, !isImage {
      if recursive && !filter.isExcluded(relative) { walk(path, relative: relative, identity) }
      return
    }
    guard isImage, filter.takes(relative) else { return }
    switch kind {
    case .folder:
      fail(
        path, relative, .notAFile,
        "is a folder with the name of an image", detail: .folderNamedAsImage)
    case .file:
      found.append(Input(path: path, relativePath: relative))
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

  private func isImageName(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return false }
    return Self.imageExtensions.contains(name[name.index(after: dot)...].lowercased())
  }

  private static let notUTF8 = "the name is not valid UTF-8: rename it"

  private mutating func fail(
    _ path: String, _ relative: String, _ code: FileFailure.Code, _ message: String,
    detail: FileFailure.Detail? = nil, exactPath: [UInt8]? = nil
  ) {
    guard !filter.isExcluded(relative) else { return }
    found.append(
      Input(
        path: path, relativePath: relative,
        failure: FileFailure(stage: .read, code: code, message: message, detail: detail),
        exactPath: exactPath))
  }
}
