/// An 8-bit RGB image: rows top to bottom, no padding between rows.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width × 3` bytes: R, G, B of each pixel in turn.
  public var pixels: [UInt8]

  /// Wraps pixels that are already in place.
  ///
  /// - Precondition: `pixels.count == width * height * 3`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}
