/// How what is cut out of a photo looks.
public struct CutoutStyle: Sendable, Equatable {
  public enum Edges: String, Sendable, Codable, CaseIterable {
    /// A pixel is in or not.
    case hard
    /// As much of a pixel is in as its colour tells (``BitMask/softened(by:)``).
    case soft
  }

  /// What is left round the box of what is cut out.
  public enum Margin: Sendable, Equatable {
    case pixels(Int)
    /// Of the longer side of the box.
    case share(Double)
  }

  /// What lies behind it.
  public enum Background: Sendable, Equatable {
    case colour(RGB)
    /// Scaled so that it covers the photo, its middle on the photo's.
    case picture(RGBImage, sha256: String)
  }

  public var edges = Edges.soft
  /// Nil for the whole canvas.
  public var crop: Margin?
  /// Nil for none: it is transparent.
  public var background: Background?

  public init() {}

  /// Cuts a mask out of a photo.
  ///
  /// - Parameters:
  ///   - mask: What is cut out; where it is empty nothing is cropped.
  ///   - photo: An image of the same size.
  /// - Returns: The picture.
  public func cut(_ mask: BitMask, from photo: RGBImage) -> Cutout {
    let coverage =
      switch edges {
      case .soft: mask.softened(by: photo)
      case .hard:
        Stencil(
          width: mask.width, height: mask.height, pixels: mask.pixels.map { $0 ? 255 : 0 })
      }
    let whole = Instance.Box(x: 0, y: 0, width: photo.width, height: photo.height)
    let box = crop.flatMap { margin in mask.box.map { margin.round($0, within: whole) } } ?? whole
    guard let background else { return .transparent(photo.with(coverage, in: box)) }
    return .opaque(photo.over(background, coverage, in: box))
  }
}

/// What was cut out of a photo.
public enum Cutout: Sendable, Equatable {
  case transparent(RGBAImage)
  /// Where something lies behind it.
  case opaque(RGBImage)
}

extension BitMask {
  /// The pixels of some classes, or of one person, or both.
  ///
  /// - Parameters:
  ///   - labels: A class for each pixel.
  ///   - classes: The classes that are wanted; nil for any.
  ///   - person: The person that is wanted, and a person id for each pixel; nil for any or none.
  public init(
    labels: LabelMap, classes: Set<Int>?, person: (id: UInt8, map: LabelMap)? = nil
  ) {
    let isWanted = (0..<256).map { classes?.contains($0) ?? true }
    var pixels = labels.pixels.map { isWanted[Int($0)] }
    if let person {
      for pixel in pixels.indices where person.map.pixels[pixel] != person.id {
        pixels[pixel] = false
      }
    }
    self.init(width: labels.width, height: labels.height, pixels: pixels)
  }

  /// The smallest box that holds it; nil where it is empty.
  var box: Instance.Box? {
    let rows = (0..<height).filter { y in
      pixels[y * width..<(y + 1) * width].contains(true)
    }
    guard let top = rows.first, let bottom = rows.last else { return nil }
    var (left, right) = (width, 0)
    for y in rows {
      let row = pixels[y * width..<(y + 1) * width]
      left = min(left, (row.firstIndex(of: true) ?? row.endIndex) - row.startIndex)
      right = max(right, (row.lastIndex(of: true) ?? row.startIndex) - row.startIndex)
    }
    return Instance.Box(x: left, y: top, width: right + 1 - left, height: bottom + 1 - top)
  }
}

extension CutoutStyle.Margin {
  /// A box with the margin round it, as far as it lies within another.
  fileprivate func round(_ box: Instance.Box, within whole: Instance.Box) -> Instance.Box {
    let margin =
      switch self {
      case .pixels(let pixels): min(pixels, max(whole.width, whole.height))
      case .share(let share): Int((share * Double(max(box.width, box.height))).rounded())
      }
    let (left, top) = (max(0, box.x - margin), max(0, box.y - margin))
    return Instance.Box(
      x: left, y: top, width: min(whole.width, box.x + box.width + margin) - left,
      height: min(whole.height, box.y + box.height + margin) - top)
  }
}

extension RGBImage {
  /// A part of the image with coverage as alpha; transparent black where there is none.
  fileprivate func with(_ coverage: Stencil, in box: Instance.Box) -> RGBAImage {
    let pixels = [UInt8](unsafeUninitializedCapacity: box.width * box.height * 4) { target, count in
      count = 0
      for y in box.y..<box.y + box.height {
        for pixel in y * width + box.x..<y * width + box.x + box.width {
          let alpha = coverage.pixels[pixel]
          for channel in 0..<3 {
            target.initializeElement(
              at: count + channel, to: alpha > 0 ? self.pixels[3 * pixel + channel] : 0)
          }
          target.initializeElement(at: count + 3, to: alpha)
          count += 4
        }
      }
    }
    return RGBAImage(width: box.width, height: box.height, pixels: pixels)
  }

  /// A part of the image over a background, which lies behind the whole.
  fileprivate func over(
    _ background: CutoutStyle.Background, _ coverage: Stencil, in box: Instance.Box
  ) -> RGBImage {
    func blend(_ behind: (_ pixel: Int, _ channel: Int) -> UInt8) -> RGBImage {
      var pixels: [UInt8] = []
      pixels.reserveCapacity(3 * box.width * box.height)
      for y in box.y..<box.y + box.height {
        for pixel in y * width + box.x..<y * width + box.x + box.width {
          let alpha = Int(coverage.pixels[pixel])
          for channel in 0..<3 {
            let sum =
              alpha * Int(self.pixels[3 * pixel + channel])
              + (255 - alpha) * Int(behind(pixel, channel))
            pixels.append(UInt8((sum + 127) / 255))
          }
        }
      }
      return RGBImage(width: box.width, height: box.height, pixels: pixels)
    }
    switch background {
    case .colour(let colour):
      let channels = [colour.red, colour.green, colour.blue]
      return blend { _, channel in channels[channel] }
    case .picture(let picture, _):
      return Resizer().withResized(
        picture.middle(inTheShapeOf: self), width: width, height: height
      ) { scaled in
        blend { pixel, channel in scaled[3 * pixel + channel] }
      }
    }
  }

  /// The largest part of the image in the shape of another, with the same middle. It is cut out before it
  /// is scaled: what a line would be scaled to has no bound.
  private func middle(inTheShapeOf other: RGBImage) -> RGBImage {
    let scale = max(
      Double(other.width) / Double(width), Double(other.height) / Double(height))
    let columns = min(width, max(1, Int((Double(other.width) / scale).rounded())))
    let rows = min(height, max(1, Int((Double(other.height) / scale).rounded())))
    if columns == width, rows == height { return self }
    let (left, top) = ((width - columns) / 2, (height - rows) / 2)
    var middle: [UInt8] = []
    middle.reserveCapacity(3 * columns * rows)
    for y in top..<top + rows {
      let start = 3 * (y * width + left)
      middle += pixels[start..<start + 3 * columns]
    }
    return RGBImage(width: columns, height: rows, pixels: middle)
  }
}
