import Glibc
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// The class map on disk: m2fp's own, or what a person has made of it.
package enum ClassMap {
  /// What the map is, beside its sidecar.
  package enum State: Sendable, Equatable {
    /// What m2fp wrote, by size and time.
    case untouched
    /// What m2fp wrote, by its labels: the file is another.
    case touched
    /// Not what m2fp wrote.
    case edited
    /// Cut short, or not there: nothing that a person would miss.
    case lost
  }

  /// What a sidecar says of the map.
  package struct Record {
    /// Bytes; nil where the sidecar lists no map.
    package let size: Int?
    /// SHA-256 of the labels; empty where the sidecar is of version 2.
    package let digest: String
    /// Whether the outputs show an edited map.
    package let isEdited: Bool
    /// Pixels.
    package let width: Int
    package let height: Int

    /// A sidecar may claim anything.
    fileprivate var pixels: Int {
      let (pixels, overflows) = width.multipliedReportingOverflow(by: height)
      return overflows ? .max : max(0, pixels)
    }

    package init(size: Int?, digest: String, isEdited: Bool, width: Int, height: Int) {
      self.size = size
      self.digest = digest
      self.isEdited = isEdited
      self.width = width
      self.height = height
    }

    package init(_ sidecar: Sidecar, names: OutputNames) {
      self.init(
        size: sidecar.outputs.first { $0.path == names.map }?.size,
        digest: sidecar.labels?.sha256 ?? "", isEdited: sidecar.labels?.edited != nil,
        width: sidecar.input.width, height: sidecar.input.height)
    }
  }

  /// Looks at the map; reads it only where size and time leave doubts.
  ///
  /// - Parameters:
  ///   - names: The outputs that it is one of.
  ///   - record: What its sidecar says.
  ///   - modified: The sidecar's modification time, which the map was given, too.
  ///   - limits: How large the map may be.
  ///   - memory: What is shared with others that read maps at the same time, in bytes.
  /// - Returns: What it is.
  package static func state(
    _ names: OutputNames, _ record: Record, modified: timespec, limits: ImageLimits = .most,
    sharing memory: WeightedSemaphore? = nil
  ) -> State {
    let path = names.mapPath
    guard let stamp = FileStamp(path: path), stamp.size > 0 else { return .lost }
    let isSameSize = stamp.size == record.size
    // Version 2 has the size alone.
    if record.digest.isEmpty, isSameSize { return .untouched }
    if !record.isEdited, isSameSize, stamp.modified == modified { return .untouched }
    // A larger one is not m2fp's, and is not decoded to find that out.
    let pixels = min(limits.maxPixels, record.pixels)
    func look() -> State {
      do throws(FileFailure) {
        let labels = try read(
          path, following: names.rule, width: record.width, height: record.height,
          limits: ImageLimits(maxPixels: pixels))
        return labels.digest == record.digest ? .touched : .edited
      } catch {
        return [.empty, .truncated, .corrupt, .unknownFormat].contains(error.code)
          ? .lost : .edited
      }
    }
    guard let memory else { return look() }
    return memory.holding(min(stamp.size, Sidecar.sizeLimit) + pixels * bytesOfPixel, look)
  }

  /// What reading a map holds of a pixel: 16 bits as the decoder gives them, then 8.
  private static let bytesOfPixel = 3

  /// Reads a map of 8 bits.
  ///
  /// - Throws: ``FileFailure`` of stage `read` or `decode` where it is none of that size.
  package static func read(
    _ path: FilePath, following rule: LinkRule = .all, width: Int, height: Int,
    limits: ImageLimits = .most
  ) throws(FileFailure) -> LabelMap {
    let bytes = try FileReader.read(path, limit: Sidecar.sizeLimit, following: rule).bytes
    let map = try ImageDecoder.labels(bytes, limits: limits)
    guard map.width == width, map.height == height, let labels = LabelMap(map) else {
      throw FileFailure(
        stage: .read, code: .unsupported,
        message: "\(path) is not a map of 8 bits and \(width) × \(height) pixels")
    }
    return labels
  }
}

extension LabelMap {
  /// The same values in 8 bits; nil if one does not fit.
  fileprivate init?(_ map: IndexMap) {
    guard map.pixels.allSatisfy({ $0 <= 255 }) else { return nil }
    self.init(
      width: map.width, height: map.height, pixels: map.pixels.map { UInt8(truncatingIfNeeded: $0) }
    )
  }

  /// SHA-256 of the values, one byte a pixel, row by row.
  package var digest: String { pixels.withUnsafeBytes { SHA256.hexadecimal(of: $0) } }
}
