import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// A photo with its results, as they lie on disk.
package struct StoredResult {
  package let file: PlannedFile
  package let sidecar: Sidecar
  /// The class of each pixel.
  package let labels: LabelMap
  /// The person of each pixel; all 0 where persons were not told apart.
  package let persons: LabelMap
  /// Who may read the photo; where that is gone, the class map.
  package let access: FileAccess

  /// Reads what a run has written.
  ///
  /// - Parameters:
  ///   - file: The photo.
  ///   - limits: How large its maps may be.
  /// - Throws: ``FileFailure`` where a file has gone or been changed since, or is too large.
  package init(_ file: PlannedFile, limits: ImageLimits = .most) throws(FileFailure) {
    let names = file.outputs
    let sidecar = try Sidecar.existing(names)
    let (width, height) = (sidecar.input.width, sidecar.input.height)
    self.file = file
    self.sidecar = sidecar
    access =
      FileAccess(path: file.input.path) ?? FileAccess(path: names.mapPath) ?? .standard
    labels = try ClassMap.read(
      names.mapPath, following: names.rule, width: width, height: height, limits: limits)
    if let known = sidecar.labels, known.shown != labels.digest {
      throw FileFailure(
        stage: .read, code: .edited,
        message: "\(file.outputs.mapPath) was changed since its sidecar was written")
    }
    guard let found = sidecar.persons else {
      persons = LabelMap(
        width: width, height: height, pixels: [UInt8](repeating: 0, count: width * height))
      return
    }
    let masks = found.compactMap { person in
      person.rle.flatMap { rle in UInt8(exactly: person.id).map { (compressed: rle, value: $0) } }
    }
    if masks.count == found.count,
      let map = LabelMap(width: width, height: height, masks: masks)
    {
      persons = map
    } else {
      // Version 2.
      persons = try ClassMap.read(
        names.personsPath, following: names.rule, width: width, height: height, limits: limits)
    }
  }
}

extension Sidecar {
  /// The sidecar among some outputs.
  ///
  /// - Throws: ``FileFailure`` of stage `read` where there is none that can be read.
  package static func existing(_ names: OutputNames) throws(FileFailure) -> Sidecar {
    let bytes: [UInt8]
    do throws(FileFailure) {
      bytes = try FileReader.read(
        names.sidecarPath, limit: sizeLimit, following: names.rule
      ).bytes
    } catch {
      throw FileFailure(
        stage: .read, code: .unreadable,
        message: "\(names.sidecarPath) cannot be read: \(error.message)",
        underlying: error.underlying)
    }
    if let sidecar = try? JSONDecoder().decode(Sidecar.self, from: Data(bytes)) { return sidecar }
    throw FileFailure(
      stage: .read, code: .corrupt,
      message: "\(names.sidecarPath) is damaged, or of another version of m2fp")
  }
}

extension PlannedFile {
  /// What the photo is called in an export: where its outputs lie below the folder that was named,
  /// `sub/photo`.
  package var exportName: FilePath {
    input.relativePath.removingLastComponent().appending(name: outputs.stem)
  }
}
