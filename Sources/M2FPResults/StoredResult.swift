import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO

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
    guard let sidecar = Sidecar.read(file.outputs.sidecar) else {
      throw FileFailure(
        stage: .read, code: .unreadable, message: "\(file.outputs.sidecar) cannot be read")
    }
    self.file = file
    self.sidecar = sidecar
    labels = try Self.map(file.outputs.map, like: sidecar.input)
    persons =
      sidecar.persons == nil
      ? LabelMap(
        width: labels.width, height: labels.height,
        pixels: [UInt8](repeating: 0, count: labels.pixels.count))
      : try Self.map(file.outputs.persons, like: sidecar.input)
  }

  private static func map(
    _ path: String, like source: Sidecar.Source
  ) throws(FileFailure) -> LabelMap {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FileFailure(stage: .read, code: .unreadable, message: "\(path) cannot be read")
    }
    let map = try ImageDecoder.labels(
      [UInt8](data), limits: ImageLimits(maxPixels: source.width * source.height))
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
  package var exportName: String {
    guard let slash = input.relativePath.lastIndex(of: "/") else { return outputs.stem }
    return input.relativePath[...slash] + outputs.stem
  }
}
