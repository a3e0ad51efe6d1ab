import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults

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
  /// - Returns: The inputs with the places of their outputs.
  public static func plan(_ inputs: [Input], root: String?, naming: Naming) -> [PlannedFile] {
    let current = FileManager.default.currentDirectoryPath
    func canonical(_ path: String) -> String { Self.canonical(path, in: current) }
    var claims: [String: String] = [:]
    var planned: [PlannedFile] = []
    for input in inputs {
      let name = Paths.lastComponent(input.path)
      let folder =
        root.map { root in
          let below = Paths.folder(input.relativePath)
          return below == "." ? root : Paths.join(root, below)
        } ?? Paths.folder(input.path)
      let outputs = OutputNames(folder: folder, stem: naming == .full ? name : stem(name))
      guard input.failure == nil else {
        planned.append(PlannedFile(input: input, outputs: outputs))
        continue
      }
      let key = canonical(outputs.sidecar)
      guard let other = claims[key] else {
        claims[key] = input.path
        planned.append(PlannedFile(input: input, outputs: outputs))
        continue
      }
      if canonical(other) == canonical(input.path) { continue }
      let failure = FileFailure(
        stage: .write, code: .outputCollision,
        message: "would write the same outputs as \(other)",
        detail: .sameOutputs(
          fullNamesDiffer: naming == .stem && Paths.lastComponent(other) != name))
      planned.append(
        PlannedFile(
          input: Input(path: input.path, relativePath: input.relativePath, failure: failure),
          outputs: outputs))
    }
    return planned
  }

  private static func stem(_ name: String) -> String {
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
    return String(name[..<dot])
  }

  /// One spelling for `a.jpg`, `./a.jpg` and `b/../a.jpg`; links are left alone.
  private static func canonical(_ path: String, in current: String) -> String {
    var path = path
    if path.hasPrefix("./") { path.removeFirst(2) }
    // Most paths are plain, and there may be 200,000 of them.
    var previous = UInt8(ascii: "/")
    let isPlain = path.utf8.dropFirst(path.hasPrefix("/") ? 1 : 0).allSatisfy { byte in
      defer { previous = byte }
      return previous != UInt8(ascii: "/")
        || byte != UInt8(ascii: "/") && byte != UInt8(ascii: ".")
    }
    if !path.hasPrefix("/") { path = Paths.join(current, path) }
    return isPlain ? path : URL(fileURLWithPath: path).standardizedFileURL.path
  }
}
