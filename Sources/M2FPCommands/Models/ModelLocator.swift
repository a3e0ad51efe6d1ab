import Foundation
import M2FPCore
import M2FPFiles
import M2FPInference
import SystemPackage

/// Finds model archives by name.
struct ModelLocator {
  static let defaultModel = "m2fp-tiny"

  /// Folders that are searched, first hit wins; each once, by whatever ways it is named.
  let folders: [FilePath]

  /// Searches `$M2FP_MODELS` (folders, separated by colons), the user's data folder, the folder
  /// `make install` fills, and `Models/` of the checkout that the binary was built in.
  init(environment: [String: String], executable: FilePath) {
    var folders = (environment["M2FP_MODELS"] ?? "").split(separator: ":").map {
      FilePath(String($0))
    }
    let data =
      environment["XDG_DATA_HOME"].map { FilePath($0) }
      ?? environment["HOME"].map { FilePath($0).appending(".local/share") }
    if let data { folders.append(data.appending("m2fp/models")) }
    let binary = Self.resolved(executable)
    folders.append(binary.folder.folder.appending("share/m2fp/models"))
    // CHECKOUT/.build/TRIPLE/CONFIGURATION/m2fp
    var folder = binary.removingLastComponent()
    while let name = folder.lastComponent {
      folder.removeLastComponent()
      if name.bytes.starts(with: ".build".utf8) {
        folders.append(folder.appending("Models"))
        break
      }
    }
    // With PREFIX=~/.local the user's folder is the installed one, too.
    var seen: Set<FilePath> = []
    self.folders = folders.filter { seen.insert(Self.resolved($0)).inserted }
  }

  /// The path without links, where there is something.
  private static func resolved(_ path: FilePath) -> FilePath {
    path.withPlatformString { realpath($0, nil) }.map { resolved in
      defer { free(resolved) }
      return FilePath(platformString: resolved)
    } ?? path.lexicallyNormalized()
  }

  /// The locator of this process.
  static func current() -> ModelLocator {
    ModelLocator(
      environment: ProcessInfo.processInfo.environment, executable: "/proc/self/exe")
  }

  /// The paths of all archives, by folder, each folder sorted.
  var archives: [FilePath] {
    folders.flatMap { folder in
      ((try? OpenFolder(folder))?.names() ?? [])
        .filter { $0.bytes.ends(with: ".pt") && $0.bytes.first != UInt8(ascii: ".") }
        .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
        .map { folder.appending($0) }
    }
  }

  /// Opens the model that `reference`, a name or a file, means.
  ///
  /// - Throws: ``RunFailure``: missing (with the nearest name), damaged, or of a wrong contract.
  func open(_ reference: String) throws(RunFailure) -> ModelArchive {
    if Self.isPath(reference) {
      return try ModelArchive(path: FilePath(reference))
    }
    let archives = archives
    if let path = archives.first(where: { Self.name($0) == reference }) {
      return try ModelArchive(path: path)
    }
    let names = archives.map(Self.name)
    var message = "no model named '\(reference)'"
    if let nearest = SpellingSuggestion.nearest(to: reference, in: names) {
      message += "; did you mean '\(nearest)'?"
    } else if names.isEmpty {
      message +=
        ", and no other is installed. Looked in: \(folders.map(\.string).joined(separator: ", "))."
    } else {
      message += "; there is \(names.joined(separator: ", "))."
    }
    throw RunFailure(
      .modelMissing, message + " Give a file, or set M2FP_MODELS to the folder that holds it.")
  }

  /// Whether a reference is a file rather than a name.
  static func isPath(_ reference: String) -> Bool {
    reference.utf8.contains(UInt8(ascii: "/")) || Array(reference.utf8).ends(with: ".pt")
  }

  static func name(_ path: FilePath) -> String { path.stem ?? "" }
}
