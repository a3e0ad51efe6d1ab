/// Class colours laid over a photo.
public enum Overlay {
  /// Blends each pixel with the colour of its class; the background stays as it is.
  ///
  /// - Parameters:
  ///   - image: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - palette: A colour for each class that occurs.
  ///   - opacity: The colour's share, 0 to 1.
  /// - Returns: The blended photo.
  /// - Precondition: `image` and `labels` are of one size.
  public static func blend(
    _ image: RGBImage, labels: LabelMap, palette: [RGB], opacity: Float = 0.5
  ) -> RGBImage {
    precondition(image.width == labels.width && image.height == labels.height)
    precondition((0...1).contains(opacity))
    let share = UInt16(opacity * 256 + 0.5)
    let blends = palette.map { ClassBlend($0, share: share) }
    var result = image
    result.pixels.withUnsafeMutableBufferPointer { pixels in
      guard let pixels = pixels.baseAddress else { return }
      labels.labels.withUnsafeBytes { labels in
        var index = 0
        while index < labels.count {
          let label = labels[index]
          // Neighbours are mostly alike: 16 at a time where they are.
          if index + 16 <= labels.count,
            labels.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self)
              == SIMD16(repeating: label)
          {
            if label != 0 { blends[Int(label)].apply(to: pixels + 3 * index, share) }
            index += 16
          } else {
            if label != 0 { blends[Int(label)].applyToOne(pixels + 3 * index, share) }
            index += 1
          }
        }
      }
    }
    return result
  }
}

/// A class's colour times its share, as it falls on 16 pixels of three bytes each. All sums are in
/// 1/256 and fit 16 bits.
private struct ClassBlend {
  private let added: (SIMD16<UInt16>, SIMD16<UInt16>, SIMD16<UInt16>)

  init(_ colour: RGB, share: UInt16) {
    let channels = [colour.red, colour.green, colour.blue]
    // With half of the last place, so that the shift rounds.
    func part(_ start: Int) -> SIMD16<UInt16> {
      var part = SIMD16<UInt16>()
      for lane in 0..<16 { part[lane] = UInt16(channels[(start + lane) % 3]) * share + 128 }
      return part
    }
    added = (part(0), part(16), part(32))
  }

  @inline(__always)
  func apply(to pixels: UnsafeMutablePointer<UInt8>, _ share: UInt16) {
    func blend(_ pixels: UnsafeMutablePointer<UInt8>, _ added: SIMD16<UInt16>) {
      let photo = SIMD16<UInt16>(truncatingIfNeeded: loadBytes(pixels))
      let sum = photo &* (256 - share) &+ added
      storeBytes(SIMD16<UInt8>(truncatingIfNeeded: sum &>> 8), pixels)
    }
    blend(pixels, added.0)
    blend(pixels + 16, added.1)
    blend(pixels + 32, added.2)
  }

  @inline(__always)
  func applyToOne(_ pixel: UnsafeMutablePointer<UInt8>, _ share: UInt16) {
    for channel in 0..<3 {
      let photo = UInt16(pixel[channel]) &* (256 - share)
      pixel[channel] = UInt8(truncatingIfNeeded: (photo &+ added.0[channel]) >> 8)
    }
  }
}
