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
      labels.pixels.withUnsafeBytes { labels in
        var index = 0
        while index < labels.count {
          let label = labels[index]
          // Neighbours are mostly alike: 16 at a time where they are.
          if index + 16 <= labels.count,
            areEqual(
              labels.loadUnaligned(fromByteOffset: index, as: SIMD16<UInt8>.self),
              SIMD16(repeating: label))
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

extension Overlay {
  /// Draws the edges of the classes, and of the persons where they are told apart, in the lightened
  /// colours of the classes.
  ///
  /// - Parameters:
  ///   - image: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - persons: A person id for each pixel, or nil.
  ///   - palette: A colour for each class that occurs.
  /// - Returns: The photo with the lines; their width follows the photo's size.
  public static func outline(
    _ image: RGBImage, labels: LabelMap, persons: LabelMap?, palette: [RGB]
  ) -> RGBImage {
    precondition(image.width == labels.width && image.height == labels.height)
    let (width, height) = (image.width, image.height)
    // To either side of an edge.
    let reach = max(1, (min(width, height) + 300) / 600)
    var isEdge = [Bool](repeating: false, count: width * height)
    forEachEdge(labels, persons) { pixel, isVertical in
      // Between `pixel` and its neighbour to the left, or above.
      let (x, y) = (pixel % width, pixel / width)
      let (at, end, stride) = isVertical ? (x, width, 1) : (y, height, width)
      for step in max(-reach, -at)..<min(reach, end - at) { isEdge[pixel + step * stride] = true }
    }
    let colours = palette.map { $0.lightened }
    var result = image
    for pixel in isEdge.indices where isEdge[pixel] {
      let label = labels.pixels[pixel]
      if label == 0 { continue }
      let colour = colours[Int(label)]
      result.pixels[3 * pixel] = colour.red
      result.pixels[3 * pixel + 1] = colour.green
      result.pixels[3 * pixel + 2] = colour.blue
    }
    return result
  }

  private static func forEachEdge(
    _ labels: LabelMap, _ persons: LabelMap?, _ body: (_ pixel: Int, _ isVertical: Bool) -> Void
  ) {
    let (width, height) = (labels.width, labels.height)
    for map in [labels, persons].compactMap(\.self) {
      map.pixels.withUnsafeBufferPointer { values in
        guard let values = values.baseAddress else { return }
        for (distance, isVertical) in [(1, true), (width, false)] {
          for y in isVertical ? 0..<height : 1..<max(height, 1) {
            let row = values + y * width
            var x = isVertical ? 1 : 0
            while x < width {
              // Neighbours are mostly alike: 16 at a time where they are.
              if x + 16 <= width, areEqual(loadBytes(row + x), loadBytes(row + x - distance)) {
                x += 16
              } else {
                if row[x] != row[x - distance] { body(y * width + x, isVertical) }
                x += 1
              }
            }
          }
        }
      }
    }
  }

  /// How large the names on an image of this size are, in pixels an em.
  public static func textSize(width: Int, height: Int) -> Int {
    min(64, max(11, min(width, height) / 36))
  }

  /// Writes the classes' names beside their regions, each on a dark plate with the class's colour
  /// and a line to the region. Where the image has no room left, the smallest regions stay
  /// unnamed.
  ///
  /// - Parameters:
  ///   - image: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - persons: A person id for each pixel, or nil; the names of two or more persons' parts bear
  ///     the person's number.
  ///   - names: The classes' names.
  ///   - palette: The classes' colours.
  ///   - render: Makes the stencil of a line of text.
  /// - Returns: The photo with the names.
  /// - Throws: What `render` throws.
  public static func annotate<Failure: Error>(
    _ image: RGBImage, labels: LabelMap, persons: LabelMap?, names: [String], palette: [RGB],
    render: (String) throws(Failure) -> Stencil
  ) throws(Failure) -> RGBImage {
    let regions = ConnectedRegion.notable(labels, persons: persons).prefix(60)
    let isCrowd = (persons?.pixels.max() ?? 0) > 1
    let size = textSize(width: image.width, height: image.height)
    let margin = max(2, size / 4)
    let swatch = max(3, size / 3)
    var layout = NamePlacement(labels, anchors: regions.map(\.anchor))
    var plates: [(region: ConnectedRegion, text: Stencil, box: Instance.Box)] = []
    for region in regions {
      let number = isCrowd && region.person > 0 ? " \(region.person)" : ""
      let text = try render(names[region.classIndex] + number)
      if let box = layout.place(
        width: text.width + swatch + 2 * margin, height: text.height + 2, anchor: region.anchor,
        gap: margin)
      {
        plates.append((region, text, box))
      }
    }
    var canvas = Canvas(image)
    let thin = max(1, Float(size) / 11)
    // All lines lie under all plates. A dark rim keeps them visible on any ground.
    for (colour, wider) in [(RGB(0, 0, 0), thin), (RGB(255, 255, 255), 0)] {
      for (region, _, box) in plates {
        canvas.line(
          from: box.nearest(to: region.anchor), to: region.anchor, width: thin + wider, colour,
          opacity: wider > 0 ? 0.5 : 0.9)
        canvas.line(
          from: region.anchor, to: region.anchor, width: 3 * thin + wider, colour, opacity: 0.9)
      }
    }
    for (region, text, box) in plates {
      canvas.fill(box, RGB(16, 16, 16), opacity: 0.8)
      canvas.fill(
        Instance.Box(x: box.x, y: box.y, width: swatch, height: box.height),
        palette[region.classIndex], opacity: 1)
      canvas.stamp(text, x: box.x + swatch + margin, y: box.y + 1, RGB(255, 255, 255))
    }
    return canvas.image
  }
}

extension RGB {
  /// Halfway to white, so that a line in it stands out from the colour itself.
  fileprivate var lightened: RGB {
    func lighten(_ value: UInt8) -> UInt8 { 255 - (255 - value) / 2 }
    return RGB(lighten(red), lighten(green), lighten(blue))
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
