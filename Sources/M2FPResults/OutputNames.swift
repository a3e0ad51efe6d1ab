import M2FPFiles
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

  package init(folder: String, stem: String) {
    self.folder = folder
    self.stem = stem
  }

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

  package static let masksSuffix = ".m2fp"

  /// Whether what follows the stem in a path leads to an output and nowhere else.
  package static func isBelowStem(_ suffix: String) -> Bool {
    suffix.hasPrefix(masksSuffix) && !suffix.split(separator: "/").contains("..")
  }

  private func path(_ name: String) -> String { Paths.join(folder, name) }

  /// Whether a file or folder of this name is one of ours, and so never an input.
  package static func isOutput(_ name: String) -> Bool {
    name.hasSuffix(masksSuffix) || name.contains(".m2fp.")
  }
}
