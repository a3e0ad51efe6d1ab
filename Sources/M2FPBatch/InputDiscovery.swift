import Foundation
import M2FPCore

/// An image to parse, or a path that looked like one.
public struct Input: Sendable, Equatable {
  /// The path to open.
  public let path: String
  /// The path below the folder the user named; for a file named by the user, its name.
  public let relativePath: String
  /// Why the file cannot even be tried.
  public let failure: FileFailure?

  public init(path: String, relativePath: String, failure: FileFailure? = nil) {
    self.path = path
    self.relativePath = relativePath
    self.failure = failure
  }
}

/// Finds the images that a user's paths mean.
public struct InputDiscovery {
  /// Names in a folder that are taken for images; a file the user names is taken whatever it is.
  public static let imageExtensions: Set<String> = ["jpg", "jpeg", "jpe", "jfif", "png"]

  private let recursive: Bool
  private var found: [Input] = []
  /// Folders that were walked, so that a loop of symbolic links ends.
  private var visited: Set<FileIdentity> = []

  /// Lists the inputs under `paths`, folders sorted by name.
  ///
  /// Hidden files and folders and m2fp's own outputs are left out.
  ///
  /// - Parameters:
  ///   - paths: Files and folders.
  ///   - recursive: Whether folders within folders count.
  /// - Returns: What to parse, and with a failure what looks like an image but cannot be one.
  public static func inputs(under paths: [String], recursive: Bool) -> [Input] {
    var discovery = InputDiscovery(recursive: recursive)
    for path in paths {
      discovery.add(path)
    }
    return discovery.found
  }

  private init(recursive: Bool) {
    self.recursive = recursive
  }

  private mutating func add(_ path: String) {
    let name = Paths.lastComponent(path)
    switch FileKind(path) {
    case .missing:
      found.append(failed(path, name, .missing, "no such file or folder"))
    case .danglingLink:
      found.append(failed(path, name, .notAFile, "is a symbolic link to nothing"))
    case .unknown(let reason):
      found.append(failed(path, name, .unreadable, "cannot be looked at: \(reason)"))
    case .folder(let identity):
      walk(Paths.withoutTrailingSlash(path), relative: "", identity)
    case .file:
      found.append(
        OutputNames.isOutput(name)
          ? failed(path, name, .notAFile, "has the name of an output of m2fp: rename it")
          : Input(path: path, relativePath: name))
    case .other(let kind):
      found.append(failed(path, name, .notAFile, "is \(kind), not a file"))
    }
  }

  private mutating func walk(_ folder: String, relative: String, _ identity: FileIdentity) {
    guard visited.insert(identity).inserted else { return }
    guard let stream = opendir(folder) else {
      let reason = String(cString: strerror(errno))
      found.append(failed(folder, relative, .unreadable, "the folder cannot be listed: \(reason)"))
      return
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 {
          let reason = String(cString: strerror(errno))
          found.append(
            failed(folder, relative, .unreadable, "the folder cannot be listed whole: \(reason)"))
        }
        break
      }
      let isFolder = entry.pointee.d_type == UInt8(DT_DIR)
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) {
          (valid: String(validatingCString: $0), repaired: String(cString: $0))
        }
      }
      if let valid = name.valid {
        names.append(valid)
      } else if isImageName(name.repaired) || isFolder {
        found.append(
          failed(
            folder + "/" + name.repaired, Paths.join(relative, name.repaired), .unreadable,
            "the name is not valid UTF-8: rename it"))
      }
    }
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    where !name.hasPrefix(".") && !OutputNames.isOutput(name) {
      consider(folder == "/" ? "/" + name : folder + "/" + name, Paths.join(relative, name), name)
    }
  }

  private mutating func consider(_ path: String, _ relative: String, _ name: String) {
    let isImage = isImageName(name)
    switch FileKind(path) {
    case .folder where isImage:
      found.append(
        failed(
          path, relative, .notAFile,
          "is a folder with the name of an image: rename it, or name it on the command line "
            + "to parse what is in it"))
    case .folder(let identity):
      if recursive { walk(path, relative: relative, identity) }
    case .file:
      if isImage { found.append(Input(path: path, relativePath: relative)) }
    case .danglingLink:
      if isImage {
        found.append(failed(path, relative, .notAFile, "is a symbolic link to nothing"))
      }
    case .other(let kind):
      if isImage { found.append(failed(path, relative, .notAFile, "is \(kind), not a file")) }
    case .unknown(let reason):
      if isImage {
        found.append(failed(path, relative, .unreadable, "cannot be looked at: \(reason)"))
      }
    case .missing:
      // Gone since the folder was listed.
      if isImage {
        found.append(failed(path, relative, .unreadable, "vanished while the folder was listed"))
      }
    }
  }

  private func isImageName(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return false }
    return Self.imageExtensions.contains(name[name.index(after: dot)...].lowercased())
  }

  private func failed(
    _ path: String, _ relative: String, _ code: FileFailure.Code, _ message: String
  ) -> Input {
    Input(
      path: path, relativePath: relative,
      failure: FileFailure(stage: .read, code: code, message: message))
  }
}

/// What tells one file from all others on a machine.
struct FileIdentity: Hashable {
  let device: dev_t
  let inode: ino_t
}

/// What lies at a path, symbolic links followed.
enum FileKind {
  case file
  case folder(FileIdentity)
  case other(String)
  case danglingLink
  case missing
  case unknown(String)

  init(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let code = errno
      if code == ELOOP {
        self = .other("a loop of symbolic links")
      } else if code != ENOENT {
        self = .unknown(String(cString: strerror(code)))
      } else {
        self = lstat(path, &status) == 0 ? .danglingLink : .missing
      }
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder(FileIdentity(device: status.st_dev, inode: status.st_ino))
    case S_IFIFO: self = .other("a FIFO")
    case S_IFSOCK: self = .other("a socket")
    case S_IFCHR, S_IFBLK: self = .other("a device")
    default: self = .other("a special file")
    }
  }
}

/// The little path arithmetic that is needed.
enum Paths {
  static func lastComponent(_ path: String) -> String {
    let trimmed = withoutTrailingSlash(path)
    return trimmed.lastIndex(of: "/").map { String(trimmed[trimmed.index(after: $0)...]) }
      ?? trimmed
  }

  /// The folder of a path, "." if it names none.
  static func folder(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func withoutTrailingSlash(_ path: String) -> String {
    var path = path
    while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
    return path
  }

  static func join(_ folder: String, _ name: String) -> String {
    if folder.isEmpty { return name }
    return folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }
}
