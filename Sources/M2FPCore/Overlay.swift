/// Class colours laid over a photo.
public enum Overlay {
  /// Blends each pixel with the colour of its class; the background stays as it is.
  ///
  /// - Parameters:
  ///   - image: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - palette: A colour for each class that occurs.
  ///   - opacity: The colour's share, 0 to 1.
  /// - Precondition: `image` and `labels` are of one size.
  public static func blend(
    _ image: RGBImage, labels: LabelMap, palette: [RGB], opacity: Float = 0.5
  ) -> RGBImage {
    precondition(image.width == labels.width && image.height == labels.height)
    precondition((0...1).contains(opacity))
    // Eight bits of fraction, and half of the last place so that the shift rounds.
    let share = UInt32(opacity * 256 + 0.5)
    let colours = palette.map { colour in
      SIMD3(UInt32(colour.red), UInt32(colour.green), UInt32(colour.blue)) &* share &+ 128
    }
    var result = image
    result.pixels.withUnsafeMutableBufferPointer { pixels in
      labels.labels.withUnsafeBufferPointer { labels in
        for index in labels.indices where labels[index] != 0 {
          let colour = colours[Int(labels[index])]
          for channel in 0..<3 {
            let photo = UInt32(pixels[3 * index + channel]) &* (256 - share)
            pixels[3 * index + channel] = UInt8(truncatingIfNeeded: (photo &+ colour[channel]) >> 8)
          }
        }
      }
    }
    return result
  }
}
