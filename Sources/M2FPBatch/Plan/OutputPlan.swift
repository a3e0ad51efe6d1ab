import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Decides where every output goes, before any work starts.
public enum OutputPlan {
  /// Plans the outputs of `inputs`, in their order.
  ///
  /// Of two inputs that claim the same outputs the second is given a failure that names both. An
  /// input that is listed twice is planned once.
  ///
  /// - Parameters:
  ///   - inputs: What was discovered.
  ///   - root: The folder for all outputs, which then holds the tree of the inputs; nil for beside them.
  ///   - naming: How outputs are named.
  ///   - links: Which symbolic links are followed below what the user named.
  ///   - isOneName: Whether the file system of a photo's outputs takes another stem for theirs.
  /// - Returns: The inputs with the places of their outputs.
  public static func plan(
    _ inputs: [Input], root: FilePath?, naming: Naming, links: LinkPolicy = .own,
    isOneName: (OutputNames, _ stem: [UInt8]) -> Bool = { _, _ in false }
  ) -> [PlannedFile] {
    let current = FilePath(FileManager.default.currentDirectoryPath)
    func canonical(_ path: FilePath) -> FilePath { current.pushing(path).lexicallyNormalized() }
    var claims: [FilePath: FilePath] = [:]
    // By what no file system tells apart that takes several names for one: texts are equal however their
    // accents are put together.
    var alike: [FilePath: [String: [(stem: [UInt8], path: FilePath)]]] = [:]
    var planned: [PlannedFile] = []
    for input in inputs {
      let name = input.path.name
      let folder =
        root.map { $0.appending(input.relativePath.removingLastComponent().components) }
        ?? input.path.folder
      let outputs = OutputNames(
        folder: folder, stem: naming == .full ? name : stem(name),
        rule: LinkRule(below: root ?? input.root ?? folder, links))
      guard input.failure == nil else {
        planned.append(PlannedFile(input: input, outputs: outputs))
        continue
      }
      let key = canonical(outputs.sidecarPath)
      let folded = String(decoding: outputs.stem, as: UTF8.self).lowercased()
      let place = key.removingLastComponent()
      let rival = alike[place, default: [:]][folded, default: []].first {
        $0.stem != outputs.stem && isOneName(outputs, $0.stem)
      }
      guard let other = claims[key] ?? rival?.path else {
        claims[key] = input.path
        alike[place, default: [:]][folded, default: []].append((outputs.stem, input.path))
        planned.append(PlannedFile(input: input, outputs: outputs))
        continue
      }
      if canonical(other) == canonical(input.path) { continue }
      let failure = FileFailure(
        stage: .write, code: .outputCollision,
        message: "would write the same outputs as \(other)"
          + (rival == nil ? "" : ", since the file system there takes both names for one"),
        detail: .sameOutputs(
          fullNamesDiffer: rival == nil && naming == .stem && other.name != name))
      planned.append(
        PlannedFile(
          input: Input(
            path: input.path, relativePath: input.relativePath, root: input.root, failure: failure),
          outputs: outputs))
    }
    return planned
  }

  /// The name without its ending, if that is a photo's: of what is named otherwise the whole tells it
  /// from its neighbours (`photo.jpg`, `photo.jpg.2`).
  static func stem(_ name: [UInt8]) -> [UInt8] {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > 0 else { return name }
    let ending = String(decoding: name[(dot + 1)...], as: Unicode.ASCII.self)
    return ImageFormat.fileExtensions.contains(ending.lowercased()) ? Array(name[..<dot]) : name
  }
}
