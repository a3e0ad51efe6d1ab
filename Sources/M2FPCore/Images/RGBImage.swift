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

extension RGBImage {
  /// The pixels within a box.
  package func cropped(to box: Instance.Box) -> RGBImage {
    var cropped: [UInt8] = []
    cropped.reserveCapacity(3 * box.width * box.height)
    for y in box.y..<box.y + box.height {
      let start = 3 * (y * width + box.x)
      cropped.append(contentsOf: pixels[start..<start + 3 * box.width])
    }
    return RGBImage(width: box.width, height: box.height, pixels: cropped)
  }

  /// The level of a pixel by the weights of ITU-R BT.601 in 256ths.
  func grey(_ pixel: Int) -> Int32 {
    let (red, green, blue) = (pixels[3 * pixel], pixels[3 * pixel + 1], pixels[3 * pixel + 2])
    return (77 * Int32(red) + 150 * Int32(green) + 29 * Int32(blue) + 128) >> 8
  }
}
