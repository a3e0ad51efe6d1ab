import Foundation
import M2FPCore
import M2FPInference

/// Finds model archives by name.
struct ModelLocator {
  static let defaultModel = "m2fp-tiny"

  /// Folders that are searched, first hit wins; each once, by whatever ways it is named.
  let folders: [String]

  /// Searches `$M2FP_MODELS` (folders, separated by colons), the user's data folder, the folder
  /// `make install` fills, and `Models/` of the checkout that the binary was built in.
  init(environment: [String: String], executable: String) {
    var folders = (environment["M2FP_MODELS"] ?? "").split(separator: ":").map(String.init)
    let home = environment["XDG_DATA_HOME"] ?? environment["HOME"].map { $0 + "/.local/share" }
    if let home { folders.append(home + "/m2fp/models") }
    let binary = URL(fileURLWithPath: executable).resolvingSymlinksInPath()
    let prefix = binary.deletingLastPathComponent().deletingLastPathComponent()
    folders.append(prefix.appendingPathComponent("share/m2fp/models").path)
    // CHECKOUT/.build/TRIPLE/CONFIGURATION/m2fp
    var folder = binary.deletingLastPathComponent()
    while folder.path != "/" {
      if folder.lastPathComponent.hasPrefix(".build") {
        folders.append(folder.deletingLastPathComponent().appendingPathComponent("Models").path)
        break
      }
      folder.deleteLastPathComponent()
    }
    // With PREFIX=~/.local the user's folder is the installed one, too.
    var seen: Set<String> = []
    self.folders = folders.filter {
      seen.insert(URL(fileURLWithPath: $0).resolvingSymlinksInPath().standardizedFileURL.path)
        .inserted
    }
  }

  /// The locator of this process.
  static func current() -> ModelLocator {
    ModelLocator(
      environment: ProcessInfo.processInfo.environment,
      executable: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        ?? CommandLine.arguments[0])
  }

  /// The paths of all archives, by folder, each folder sorted.
  var archives: [String] {
    folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".pt") && !$0.hasPrefix(".") }.sorted()
        .map { folder + "/" + $0 }
    }
  }

  /// Opens the model that `reference`, a name or a file, means.
  ///
  /// - Throws: ``RunFailure``: missing (with the nearest name), damaged, or of a wrong contract.
  func open(_ reference: String) throws(RunFailure) -> ModelArchive {
    if reference.contains("/") || reference.hasSuffix(".pt") {
      return try ModelArchive(path: reference)
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
      message += ", and no other is installed. Looked in: \(folders.joined(separator: ", "))."
    } else {
      message += "; there is \(names.joined(separator: ", "))."
    }
    throw RunFailure(
      .modelMissing, message + " Give a file, or set M2FP_MODELS to the folder that holds it.")
  }

  static func name(_ path: String) -> String {
    URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
  }
}
