import Foundation
import M2FPCore
import M2FPImageIO

/// How outputs are named after their input.
public enum Naming: String, Sendable, CaseIterable {
  /// `photo.jpg` gives `photo.m2fp.png`.
  case stem
  /// `photo.jpg` gives `photo.jpg.m2fp.png`.
  case full
}

/// The names of the outputs of one input: everything m2fp writes for it starts with `base`.
public struct OutputNames: Sendable, Equatable {
  /// The folder the outputs lie in.
  public let folder: String
  /// The common start of their names.
  public let stem: String

  /// The indexed colour map.
  public var map: String { path(stem + ".m2fp.png") }
  /// What was done, written last.
  public var sidecar: String { path(stem + ".m2fp.json") }
  /// The folder of the class masks.
  public var masks: String { path(stem + Self.masksSuffix) }
  /// The indexed map of persons.
  public var persons: String { path(stem + ".m2fp.persons.png") }
  /// The photo where it shows the classes that were asked for.
  public var cutout: String { path(stem + ".m2fp.cutout.png") }

  /// The photo under translucent colours.
  public func overlay(_ format: ImageFormat) -> String {
    path(stem + ".m2fp.overlay." + format.fileExtension)
  }

  /// The mask of one class.
  public func mask(_ slug: String) -> String { masks + "/" + slug + ".png" }

  /// The folder of a person's masks; `id` counts from 1.
  public func personMasks(_ id: Int) -> String { masks + "/person-\(id)" }

  /// The mask of one class within one person.
  public func mask(_ slug: String, person id: Int) -> String {
    personMasks(id) + "/" + slug + ".png"
  }

  /// The photo where it shows one person.
  public func cutout(person id: Int) -> String { personMasks(id) + ".cutout.png" }

  static let masksSuffix = ".m2fp"

  /// Whether what follows the stem in a path leads to an output and nowhere else.
  static func isBelowStem(_ suffix: String) -> Bool {
    suffix.hasPrefix(masksSuffix) && !suffix.split(separator: "/").contains("..")
  }

  private func path(_ name: String) -> String { Paths.join(folder, name) }

  /// Whether a file or folder of this name is one of ours, and so never an input.
  static func isOutput(_ name: String) -> Bool {
    name.hasSuffix(masksSuffix) || name.contains(".m2fp.")
  }
}

/// An input with the place of its outputs.
public struct PlannedFile: Sendable {
  public let input: Input
  public let outputs: OutputNames
}

/// Decides where every output goes, before any work starts.
public enum OutputPlan {
  /// Plans the outputs of `inputs`, in their order.
  ///
  /// Of two inputs that claim the same outputs the second is given a failure that names both. An
  /// input that is listed twice is planned once.
  ///
  /// - Parameters:
  ///   - inputs: What was discovered.
  ///   - root: The `--out` folder, which then holds the tree of the inputs; nil for beside them.
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
      let remedy =
        naming == .stem && Paths.lastComponent(other) != name
        ? "use --naming full to name outputs after the whole file name"
        : "parse them in two runs with different --out folders"
      let failure = FileFailure(
        stage: .write, code: .outputCollision,
        message: "would write the same outputs as \(other): \(remedy)")
      planned.append(
        PlannedFile(
          input: Input(path: input.path, relativePath: input.relativePath, failure: failure),
          outputs: outputs))
    }
    return planned
  }

  /// Makes `folder` if need be, and tries to write in it.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``.
  public static func checkWritable(_ folder: String) throws(RunFailure) {
    do throws(FileFailure) {
      try AtomicFiles.makeFolder(folder)
      // A run that was killed right here, where no output may ever go.
      AtomicFiles.removeLeftovers(in: folder)
      var files = AtomicFiles(in: folder)
      // Dropped without a commit: the temporary file goes again.
      try files.write(UnsafeRawBufferPointer(start: nil, count: 0), to: Paths.join(folder, "test"))
    } catch {
      throw RunFailure(.outputNotWritable, error.message + ".")
    }
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
