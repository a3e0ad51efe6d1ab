import Foundation
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

  /// Reads what a run has written.
  ///
  /// - Throws: ``FileFailure`` where a file has gone or been changed since.
  package init(_ file: PlannedFile) throws(FileFailure) {
    guard let sidecar = Sidecar.read(file.outputs.sidecarPath) else {
      throw FileFailure(
        stage: .read, code: .unreadable, message: "\(file.outputs.sidecarPath) cannot be read")
    }
    self.file = file
    self.sidecar = sidecar
    labels = try Self.map(file.outputs.mapPath, like: sidecar.input)
    persons =
      sidecar.persons == nil
      ? LabelMap(
        width: labels.width, height: labels.height,
        pixels: [UInt8](repeating: 0, count: labels.pixels.count))
      : try Self.map(file.outputs.personsPath, like: sidecar.input)
  }

  private static func map(
    _ path: FilePath, like source: Sidecar.Source
  ) throws(FileFailure) -> LabelMap {
    let bytes = try FileReader.read(path, limit: Sidecar.sizeLimit).bytes
    let map = try ImageDecoder.labels(
      bytes, limits: ImageLimits(maxPixels: source.width * source.height))
    guard map.width == source.width, map.height == source.height,
      let labels = LabelMap(map)
    else {
      throw FileFailure(
        stage: .read, code: .corrupt, message: "\(path) is not the map that was written")
    }
    return labels
  }
}

extension LabelMap {
  /// The same values in 8 bits; nil if one does not fit.
  fileprivate init?(_ map: IndexMap) {
    guard map.values.allSatisfy({ $0 <= 255 }) else { return nil }
    self.init(
      width: map.width, height: map.height, pixels: map.values.map { UInt8(truncatingIfNeeded: $0) }
    )
  }
}

extension PlannedFile {
  /// What the photo is called in an export: where its outputs lie below the folder that was named,
  /// `sub/photo`.
  package var exportName: FilePath {
    input.relativePath.removingLastComponent().appending(name: outputs.stem)
  }
}
