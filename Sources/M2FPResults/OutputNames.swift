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

  package init(folder: FilePath, stem: [UInt8]) {
    self.folder = folder
    self.stem = stem
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
  public func overlay(_ format: ImageFormat) -> FilePath {
    path(".m2fp.overlay." + format.fileExtension)
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
    }
  }

  package static let masksSuffix = ".m2fp"

  /// Whether a path without the stem is one of a picture that m2fp makes of some class or person.
  package static func isOutput(suffix: FilePath) -> Bool {
    guard !suffix.isAbsolute, suffix.components.allSatisfy({ $0.kind == .regular }) else {
      return false
    }
    let parts = suffix.components.map { String(decoding: $0.bytes, as: UTF8.self) }
    guard let name = parts.last else { return false }
    switch parts.count {
    case 1: return fileSuffixes.contains(name) && name != masksSuffix + ".json"
    case 2: return parts[0] == masksSuffix && (isMask(name) || isPerson(name, ".cutout.png"))
    case 3: return parts[0] == masksSuffix && isPerson(parts[1], "") && isMask(name)
    default: return false
    }
  }

  private static func isMask(_ name: String) -> Bool {
    guard name.hasSuffix(".png") else { return false }
    let slug = String(name.dropLast(4))
    return !slug.isEmpty && ClassNames.slug(slug) == slug
  }

  private static func isPerson(_ name: String, _ ending: String) -> Bool {
    guard name.hasPrefix("person-"), name.hasSuffix(ending) else { return false }
    let digits = name.dropFirst("person-".count).dropLast(ending.count)
    return Int(digits).map { $0 > 0 && digits == "\($0)" } ?? false
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
    + ImageFormat.allCases.map { masksSuffix + ".overlay." + $0.fileExtension }

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
