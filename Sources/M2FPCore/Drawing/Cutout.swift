extension RGBImage {
  /// The image where a pixel is wanted, transparent black elsewhere.
  ///
  /// - Parameters:
  ///   - labels: A class for each pixel.
  ///   - classes: The classes that are wanted; nil for any.
  ///   - person: The person that is wanted, and a person id for each pixel; nil for any or none.
  /// - Returns: An image of the same size.
  public func cutout(
    labels: LabelMap, classes: Set<Int>?, person: (id: UInt8, map: LabelMap)? = nil
  ) -> RGBAImage {
    precondition(width == labels.width && height == labels.height)
    let isWanted = (0..<256).map { classes?.contains($0) ?? true }
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 4) { target, count in
      for pixel in 0..<width * height {
        let isIn =
          isWanted[Int(labels.pixels[pixel])]
          && (person.map { $0.map.pixels[pixel] == $0.id } ?? true)
        for channel in 0..<3 {
          target[4 * pixel + channel] = isIn ? self.pixels[3 * pixel + channel] : 0
        }
        target[4 * pixel + 3] = isIn ? 255 : 0
      }
      count = width * height * 4
    }
    return RGBAImage(width: width, height: height, pixels: pixels)
  }
}
