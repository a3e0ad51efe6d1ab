import Glibc
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The largest photo that a run will hold in memory.
public struct LargestPhoto: Sendable, Equatable {
  public var pixels: Int
  /// Bytes of the file.
  public var fileSize: Int
  /// Bytes that decoding it holds besides the file and the pixels.
  public var decoding: Int

  public init(pixels: Int, fileSize: Int, decoding: Int = 0) {
    self.pixels = pixels
    self.fileSize = fileSize
    self.decoding = decoding
  }

  /// How much of a file is read at a time to find its size.
  private static let partSize = 1 << 16

  /// Looks at the headers of all files. What cannot be parsed, or will not be for its size, does
  /// not count.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - allowed: The largest that the run's limits let pass.
  ///   - links: Which symbolic links on the way to them are followed.
  /// - Returns: The most of each, not necessarily of the same file.
  public static func among(
    _ files: [PlannedFile], allowed: LargestPhoto, links: LinkPolicy = .own
  ) -> LargestPhoto {
    var largest = LargestPhoto(pixels: 0, fileSize: 0)
    for file in files where file.input.failure == nil {
      let rule = LinkRule(below: file.input.root, links)
      guard let opened = try? rule.open(file.input.path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else {
        continue
      }
      defer { try? opened.close() }
      let descriptor = opened.rawValue
      var status = stat()
      guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
        status.st_size <= allowed.fileSize
      else { continue }
      let header = ImageDecoder.header { offset in
        [UInt8](unsafeUninitializedCapacity: partSize) { buffer, count in
          count = max(0, pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)))
        }
      }
      guard let header, header.pixels <= allowed.pixels else { continue }
      largest.pixels = max(largest.pixels, header.pixels)
      largest.decoding = max(largest.decoding, header.workingBytes)
      largest.fileSize = max(largest.fileSize, Int(status.st_size))
    }
    return largest
  }
}
