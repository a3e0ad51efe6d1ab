/// An 8-bit RGBA image: rows top to bottom, no padding between rows, colours not multiplied by alpha.
public struct RGBAImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width × 4` bytes: R, G, B, A of each pixel in turn.
  public let pixels: [UInt8]

  /// Wraps pixels that are already in place.
  ///
  /// - Precondition: `pixels.count == width * height * 4`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 4)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
