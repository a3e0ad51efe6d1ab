import Foundation
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The largest photo that a run will hold in memory.
public struct LargestPhoto: Sendable, Equatable {
  public var pixels: Int
  /// Bytes of the file.
  public var fileSize: Int

  public init(pixels: Int, fileSize: Int) {
    self.pixels = pixels
    self.fileSize = fileSize
  }

  /// How much of a file is read for its header; what is longer counts as the largest allowed.
  private static let headSize = 1 << 16

  /// Looks at the headers of all files. What cannot be parsed, or will not be for its size, does
  /// not count.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - allowed: The largest that the run's limits let pass.
  /// - Returns: The most pixels and the most bytes, not necessarily of the same file.
  public static func among(_ files: [PlannedFile], allowed: LargestPhoto) -> LargestPhoto {
    var largest = LargestPhoto(pixels: 0, fileSize: 0)
    for file in files where file.input.failure == nil {
      let descriptor = file.input.path.withPlatformString {
        open($0, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
      }
      guard descriptor >= 0 else { continue }
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_size <= allowed.fileSize else { continue }
      let head = [UInt8](unsafeUninitializedCapacity: headSize) { buffer, count in
        count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
      }
      let isWhole = head.count == Int(status.st_size)
      guard
        let pixels = head.withUnsafeBytes({ ImageDecoder.pixelCount(head: $0) })
          ?? (isWhole ? nil : allowed.pixels),
        pixels <= allowed.pixels
      else { continue }
      largest.pixels = max(largest.pixels, pixels)
      largest.fileSize = max(largest.fileSize, Int(status.st_size))
    }
    return largest
  }
}
