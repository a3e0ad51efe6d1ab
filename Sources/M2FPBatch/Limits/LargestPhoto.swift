import M2FPFiles
import M2FPResults

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
      guard
        let size = PictureSize(file.input.path, following: rule, limit: allowed.fileSize),
        size.pixels <= allowed.pixels
      else { continue }
      largest.pixels = max(largest.pixels, size.pixels)
      largest.decoding = max(largest.decoding, size.decoding)
      largest.fileSize = max(largest.fileSize, size.fileSize)
    }
    return largest
  }
}
