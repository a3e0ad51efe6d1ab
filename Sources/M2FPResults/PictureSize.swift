import Glibc
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// How large a picture is, by what its file says before it is read whole.
package struct PictureSize: Sendable {
  package let pixels: Int
  /// Bytes of the file.
  package let fileSize: Int
  /// Bytes that decoding it holds besides the file and the pixels.
  package let decoding: Int

  /// How much of a file is read at a time to find its size.
  private static let partSize = 1 << 16

  /// Looks at a file; nil for what is none, no picture, or too large.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - rule: Which links on the way to it are followed.
  ///   - limit: Bytes that it may have.
  package init?(_ path: FilePath, following rule: LinkRule, limit: Int) {
    guard let file = try? rule.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) else { return nil }
    defer { try? file.close() }
    guard let stamp = FileStamp(regularFile: file), stamp.size <= limit else { return nil }
    let header = ImageDecoder.header { offset in
      [UInt8](unsafeUninitializedCapacity: Self.partSize) { buffer, count in
        count = max(0, pread(file.rawValue, buffer.baseAddress, buffer.count, off_t(offset)))
      }
    }
    guard let header else { return nil }
    pixels = header.pixels
    fileSize = stamp.size
    decoding = header.workingBytes
  }
}
