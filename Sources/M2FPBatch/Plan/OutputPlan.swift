import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Decides where every output goes, before any work starts on it.
public struct OutputPlan {
  private let root: FilePath?
  private let naming: Naming
  private let links: LinkPolicy
  private let isOneName: (OutputNames, _ stem: [UInt8]) -> Bool
  private let current = FilePath(FileManager.default.currentDirectoryPath)
  private var claims: [FilePath: FilePath] = [:]
  /// By what no file system tells apart that takes several names for one: texts are equal however their
  /// accents are put together.
  private var alike: [FilePath: [String: [(stem: [UInt8], path: FilePath)]]] = [:]

  /// - Parameters:
  ///   - root: The folder for all outputs, which then holds the tree of the inputs; nil for beside them.
  ///   - naming: How outputs are named.
  ///   - links: Which symbolic links are followed below what the user named.
  ///   - isOneName: Whether the file system of a photo's outputs takes another stem for theirs.
  init(
    root: FilePath?, naming: Naming, links: LinkPolicy = .own,
    isOneName: @escaping (OutputNames, _ stem: [UInt8]) -> Bool = { _, _ in false }
  ) {
    self.root = root
    self.naming = naming
    self.links = links
    self.isOneName = isOneName
  }

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
    withoutActuallyEscaping(isOneName) { isOneName in
      var plan = OutputPlan(root: root, naming: naming, links: links, isOneName: isOneName)
      return inputs.compactMap { plan.place($0) }
    }
  }

  /// Plans the outputs of one more input.
  ///
  /// - Parameters:
  ///   - input: The input.
  ///   - isAgain: Whether one that was planned before is planned again, and what has gone since claims
  ///     nothing.
  /// - Returns: The input with the place of its outputs; with a failure where another has it; nil where it
  ///   was planned before.
  mutating func place(_ input: Input, isAgain: Bool = false) -> PlannedFile? {
    let name = input.path.name
    let folder =
      root.map { $0.appending(input.relativePath.removingLastComponent().components) }
      ?? input.path.folder
    let outputs = OutputNames(
      folder: folder, stem: naming == .full ? name : Self.stem(name),
      rule: LinkRule(below: root ?? input.root ?? folder, links))
    let planned = PlannedFile(input: input, outputs: outputs)
    if input.failure != nil { return planned }
    let key = canonical(outputs.sidecarPath)
    let folded = String(decoding: outputs.stem, as: UTF8.self).lowercased()
    let place = key.removingLastComponent()
    func stands(_ path: FilePath) -> Bool { !isAgain || FileStamp(path: path) != nil }
    let rival = alike[place, default: [:]][folded, default: []].first {
      $0.stem != outputs.stem && stands($0.path) && isOneName(outputs, $0.stem)
    }
    let claim = claims[key].flatMap { stands($0) ? $0 : nil }
    guard let other = claim ?? rival?.path else {
      if claims.updateValue(input.path, forKey: key) == nil {
        alike[place, default: [:]][folded, default: []].append((outputs.stem, input.path))
      }
      return planned
    }
    if canonical(other) == canonical(input.path) { return isAgain ? planned : nil }
    let failure = FileFailure(
      stage: .write, code: .outputCollision,
      message: "would write the same outputs as \(other)"
        + (rival == nil ? "" : ", since the file system there takes both names for one"),
      detail: .sameOutputs(
        fullNamesDiffer: rival == nil && naming == .stem && other.name != name))
    return PlannedFile(
      input: Input(
        path: input.path, relativePath: input.relativePath, root: input.root, failure: failure),
      outputs: outputs)
  }

  private func canonical(_ path: FilePath) -> FilePath {
    current.pushing(path).lexicallyNormalized()
  }

  /// The name without its ending, if that is a photo's: of what is named otherwise the whole tells it
  /// from its neighbours (`photo.jpg`, `photo.jpg.2`).
  static func stem(_ name: [UInt8]) -> [UInt8] {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")), dot > 0 else { return name }
    let ending = String(decoding: name[(dot + 1)...], as: Unicode.ASCII.self)
    return ImageFormat.fileExtensions.contains(ending.lowercased()) ? Array(name[..<dot]) : name
  }
}
