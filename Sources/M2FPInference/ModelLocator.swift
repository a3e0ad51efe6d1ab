import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import SystemPackage

/// Which model is meant.
public enum ModelReference: Sendable, Equatable {
  /// The archive `NAME.pt` in the first of a ``ModelLocator``'s folders that has one.
  case named(String)
  case file(FilePath)

  /// Reads what people write: a file has a slash in it or ends in `.pt`, all else is a name.
  public init(_ text: String) {
    self =
      text.utf8.contains(UInt8(ascii: "/")) || Array(text.utf8).ends(with: ".pt")
      ? .file(FilePath(text)) : .named(text)
  }

  /// Whether it is a path.
  public var isFile: Bool { if case .file = self { true } else { false } }
}

/// Finder of model archives by their names, in folders.
public struct ModelLocator: Sendable {
  /// The model that comes with m2fp.
  public static let defaultModel = "m2fp-tiny"

  /// Folders that are searched, first hit wins; each once, by whatever ways it is named.
  public let folders: [FilePath]

  /// Searches the folders of `$M2FP_MODELS`, the user's, those of an installation round the running
  /// program, and those of a checkout that it was built in.
  public static var standard: ModelLocator {
    ModelLocator(
      environment: ProcessInfo.processInfo.environment, executable: "/proc/self/exe")
  }

  /// Searches `folders` alone.
  public init(folders: [FilePath]) {
    // With a prefix of ~/.local the user's folder is the installed one, too.
    var seen: Set<FilePath> = []
    self.folders = folders.filter { seen.insert(Self.resolved($0)).inserted }
  }

  /// Searches `$M2FP_MODELS` (folders, separated by colons), the user's data folder, share/m2fp/models
  /// beside the folder of the executable, and `Models/archives/` of the checkout that it was built in.
  init(environment: [String: String], executable: FilePath) {
    var folders = (environment["M2FP_MODELS"] ?? "").split(separator: ":").map {
      FilePath(String($0))
    }
    let data =
      environment["XDG_DATA_HOME"].map { FilePath($0) }
      ?? environment["HOME"].map { FilePath($0).appending(".local/share") }
    if let data { folders.append(data.appending("m2fp/models")) }
    let binary = Self.resolved(executable)
    folders.append(Self.shareFolder(binary).appending("models"))
    // CHECKOUT/.build/TRIPLE/CONFIGURATION/m2fp
    var folder = binary.removingLastComponent()
    while let name = folder.lastComponent {
      folder.removeLastComponent()
      if name.bytes.starts(with: ".build".utf8) {
        folders.append(folder.appending("Models/archives"))
        break
      }
    }
    self.init(folders: folders)
  }

  /// What came with the running program besides its libraries: models, a font.
  public static var shareFolder: FilePath { shareFolder(resolved("/proc/self/exe")) }

  private static func shareFolder(_ binary: FilePath) -> FilePath {
    binary.folder.folder.appending("share/m2fp")
  }

  /// The path without links, where there is something.
  private static func resolved(_ path: FilePath) -> FilePath {
    path.withPlatformString { realpath($0, nil) }.map { resolved in
      defer { free(resolved) }
      return FilePath(platformString: resolved)
    } ?? path.lexicallyNormalized()
  }

  /// The paths of all archives, by folder, each folder sorted.
  public var archives: [FilePath] {
    folders.flatMap { folder in
      ((try? OpenFolder(folder))?.names() ?? [])
        .filter { $0.bytes.ends(with: ".pt") && $0.bytes.first != UInt8(ascii: ".") }
        .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        .map { folder.appending($0) }
    }
  }

  /// Opens a model, and with it those that it needs, as its contract says.
  ///
  /// - Throws: ``RunFailure``: missing (with the nearest name), damaged, or of a wrong contract.
  public func open(_ model: ModelReference) throws(RunFailure) -> ModelArchive {
    var archive =
      switch model {
      case .file(let path): try ModelArchive(path: path)
      case .named(let name): try ModelArchive(path: path(of: name))
      }
    guard let crops = archive.contract.postprocess.crops else { return archive }
    archive.helpers[.finder] = try helper(
      crops.finder ?? Self.defaultModel, of: archive, to: "find persons"
    ) { $0.postprocess.instanceRules == nil ? "it does not tell persons apart" : nil }
    if let name = crops.network {
      let classes = archive.contract.classes
      archive.helpers[.crops] = try helper(name, of: archive, to: "parse crops") { contract in
        guard case .dense(let rules) = contract.postprocess, rules.crops == nil else {
          return "it does not give logits of a picture's classes"
        }
        return contract.classes == classes ? nil : "its classes are others"
      }
    }
    return archive
  }

  /// Opens a model that another one needs.
  ///
  /// - Parameters:
  ///   - name: Its name.
  ///   - archive: Who needs it.
  ///   - purpose: What for.
  ///   - problem: What makes a contract unfit; nil where it fits.
  /// - Returns: The model.
  /// - Throws: ``RunFailure`` that says all of that.
  private func helper(
    _ name: String, of archive: ModelArchive, to purpose: String,
    problem: (ModelContract) -> String?
  ) throws(RunFailure) -> ModelArchive {
    do throws(RunFailure) {
      let helper = try ModelArchive(path: path(of: name))
      if let problem = problem(helper.contract) { throw RunFailure(.modelContract, problem) }
      return helper
    } catch {
      throw RunFailure(
        error.kind, "\(archive.path) needs \(name) to \(purpose): \(error.message)",
        detail: error.detail)
    }
  }

  private func path(of name: String) throws(RunFailure) -> FilePath {
    let archives = archives
    if let path = archives.first(where: { Self.name($0) == name }) { return path }
    let names = archives.map(Self.name)
    let more =
      if let nearest = SpellingSuggestion.nearest(to: name, in: names) {
        "; did you mean '\(nearest)'?"
      } else if names.isEmpty {
        ", and no other is installed. Looked in: \(folders.map(\.string).joined(separator: ", "))"
      } else {
        "; there is \(names.joined(separator: ", "))"
      }
    throw RunFailure(.modelMissing, "no model named '\(name)'\(more)", detail: .noSuchModel)
  }

  /// The name of the model in an archive.
  public static func name(_ archive: FilePath) -> String { archive.stem ?? "" }
}
