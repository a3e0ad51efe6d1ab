import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// How outputs are named after their input.
public enum Naming: String, Sendable, CaseIterable {
  /// `photo.jpg` gives `photo.m2fp.png`.
  case stem
  /// `photo.jpg` gives `photo.jpg.m2fp.png`.
  case full
}

/// The names of the outputs of one input: everything m2fp writes for it starts with `stem`.
///
/// All but ``folder`` and ``sidecarPath`` are paths below that folder.
public struct OutputNames: Sendable, Equatable {
  /// The folder the outputs lie in.
  public let folder: FilePath
  /// The bytes that their names begin with.
  public let stem: [UInt8]
  /// Which links are followed on the way to the outputs.
  package let rule: LinkRule

  package init(folder: FilePath, stem: [UInt8], rule: LinkRule = .all) {
    self.folder = folder
    self.stem = stem
    self.rule = rule
  }

  /// The indexed colour map.
  public var map: FilePath { path(".m2fp.png") }
  /// What was done, written last.
  public var sidecar: FilePath { path(".m2fp.json") }
  /// The folder of the class masks.
  public var masks: FilePath { path(Self.masksSuffix) }
  /// The indexed map of persons.
  public var persons: FilePath { path(".m2fp.persons.png") }
  /// The photo where it shows the classes that were asked for.
  public var cutout: FilePath { path(".m2fp.cutout.png") }

  /// The sidecar, from where the process stands.
  public var sidecarPath: FilePath { folder.appending(sidecar.components) }
  /// The colour map, from where the process stands.
  public var mapPath: FilePath { folder.appending(map.components) }
  /// The map of persons, from where the process stands.
  public var personsPath: FilePath { folder.appending(persons.components) }

  /// The photo under translucent colours.
  public func overlay(_ format: PictureFormat) -> FilePath {
    path(".m2fp.overlay." + format.fileExtension)
  }

  /// The photo with parts of it made unrecognisable.
  public func obscured(_ format: PictureFormat) -> FilePath {
    path(".m2fp.obscured." + format.fileExtension)
  }

  /// The mask of one class.
  public func mask(_ slug: String) -> FilePath { masks.appending(slug + ".png") }

  /// The folder of a person's masks; `id` counts from 1.
  public func personMasks(_ id: Int) -> FilePath { masks.appending("person-\(id)") }

  /// The mask of one class within one person.
  public func mask(_ slug: String, person id: Int) -> FilePath {
    personMasks(id).appending(slug + ".png")
  }

  /// The photo where it shows one person.
  public func cutout(person id: Int) -> FilePath { masks.appending("person-\(id).cutout.png") }

  /// Where a picture of the result goes.
  public func path(of kind: OutputKind) -> FilePath {
    switch kind {
    case .labelMap: map
    case .mask(let slug): mask(slug)
    case .personMap: persons
    case .personMask(let slug, let person): mask(slug, person: person)
    case .overlay(let format): overlay(format)
    case .cutout: cutout
    case .personCutout(let person): cutout(person: person)
    case .obscured(let format): obscured(format)
    }
  }

  /// The kind of output that a path of this set leads to; nil for the sidecar, and for what is none.
  package func kind(of path: FilePath) -> OutputKind? {
    if path == map { return .labelMap }
    if path == persons { return .personMap }
    if path == cutout { return .cutout }
    if let format = PictureFormat.allCases.first(where: { path == overlay($0) }) {
      return .overlay(format)
    }
    if let format = PictureFormat.allCases.first(where: { path == obscured($0) }) {
      return .obscured(format)
    }
    guard path.extension == "png", let slug = path.stem else { return nil }
    let folder = path.removingLastComponent()
    if folder == masks {
      guard let person = Self.person(slug, suffix: ".cutout") else { return .mask(slug) }
      return .personCutout(person)
    }
    guard folder.removingLastComponent() == masks, let name = folder.lastComponent,
      let person = Self.person(name.string)
    else { return nil }
    return .personMask(slug, person: person)
  }

  /// The id in `person-ID`, or `person-ID` and a suffix.
  package static func person(_ name: String, suffix: String = "") -> Int? {
    guard name.hasPrefix("person-"), name.hasSuffix(suffix),
      let id = Int(name.dropFirst("person-".count).dropLast(suffix.count)), id > 0,
      name == "person-\(id)\(suffix)"
    else { return nil }
    return id
  }

  /// Takes from outputs that are there, and from their folders, what the photo does not give: it may
  /// have been made private since.
  ///
  /// - Parameters:
  ///   - outputs: What a sidecar lists, which may have been forged.
  ///   - folder: ``folder``.
  ///   - access: Who may read and write the photo.
  package func restrict(_ outputs: [Sidecar.Output], in folder: OpenFolder, to access: FileAccess) {
    let paths = outputs.map(\.path).filter { kind(of: $0) != nil }
    let folders = Set(paths.map { $0.removingLastComponent() }).union([masks])
    for path in paths + folders where !path.isEmpty {
      guard let name = path.lastComponent,
        let parent = try? folder.folder(at: path.removingLastComponent(), making: false)
      else { continue }
      parent.restrict(name, to: access)
    }
  }

  package static let masksSuffix = ".m2fp"

  /// Whether a path without the stem is that of a picture that m2fp makes of some class or person.
  package static func isOutput(suffix: FilePath) -> Bool {
    let names = OutputNames(folder: "", stem: [])
    guard let kind = names.kind(of: suffix), names.path(of: kind) == suffix else { return false }
    switch kind {
    case .mask(let slug), .personMask(let slug, _):
      return !slug.isEmpty && ClassNames.slug(slug) == slug
    default: return true
    }
  }

  private func path(_ suffix: String) -> FilePath {
    FilePath().appending(name: stem + Array(suffix.utf8))
  }

  /// Whether files of this name are outputs, wherever they lie.
  package static func isOutputName(_ name: [UInt8]) -> Bool {
    // Most names have no such part, and there may be 200,000 of them.
    guard let dot = name.dropLast().lastIndex(of: UInt8(ascii: ".")), dot > 0 else { return false }
    return fileSuffixes.contains { name.count > $0.utf8.count && name.ends(with: $0) }
  }

  private static let fileSuffixes =
    [".png", ".json", ".persons.png", ".cutout.png"].map { masksSuffix + $0 }
    + PictureFormat.allCases.flatMap { format in
      [".overlay.", ".obscured."].map { masksSuffix + $0 + format.fileExtension }
    }

  /// Whether a path leads to an output: it bears an output's name and a sidecar, or a colour map, lies
  /// beside it; or it lies in a folder of which that is so.
  package static func isOutput(_ path: FilePath) -> Bool {
    var part = path
    while let last = part.lastComponent {
      let (name, folder) = (last.bytes, part.folder)
      if let stem = stem(ofOutput: name) {
        let beside = [".json", ".png"].map { stem + Array((masksSuffix + $0).utf8) }
        if beside.contains(where: {
          $0 != name && FileStamp(path: folder.appending(name: $0)) != nil
        }) {
          return true
        }
      }
      if !part.removeLastComponent() { break }
    }
    return false
  }

  private static func stem(ofOutput name: [UInt8]) -> [UInt8]? {
    ([masksSuffix] + fileSuffixes).first { name.count > $0.utf8.count && name.ends(with: $0) }
      .map { name.dropLast($0.utf8.count) }
  }
}
