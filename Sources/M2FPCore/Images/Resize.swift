/// Antialiased bilinear resizing of RGB pixels, bit for bit as Pillow's `Image.resize(BILINEAR)`.
///
/// Two passes, horizontal first, each with a triangle filter that widens with the reduction; weights are
/// normalised in double precision and rounded to 22 fractional bits, and each pass rounds to 8 bits
/// (the method of Pillow's `Resample.c`). The scratch memory is kept between calls: one resizer for
/// each thread.
public final class Resizer {
  /// The source at the new width and the old height.
  private var narrowed = ScratchBuffer<UInt8>()
  private var resized = ScratchBuffer<UInt8>()
  /// One output row before it is rounded.
  private var sums = ScratchBuffer<Int32>()

  public init() {}

  /// Resizes an image into scratch memory and calls the closure with the pixels.
  ///
  /// - Parameters:
  ///   - image: The source.
  ///   - width: The new width, at least 1.
  ///   - height: The new height, at least 1.
  ///   - body: Gets `height × width × 3` bytes, which it must not keep.
  /// - Returns: What `body` returns.
  public func withResized<Result>(
    _ image: RGBImage, width: Int, height: Int, _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    precondition(width > 0 && height > 0)
    return image.pixels.withUnsafeBufferPointer { pixels in
      guard var source = pixels.baseAddress else { preconditionFailure("an image has pixels") }
      if width != image.width {
        source = resizeRows(source, rows: image.height, columns: image.width, to: width)
      }
      if height != image.height {
        source = resizeColumns(source, rows: image.height, columns: width, to: height)
      }
      return body(UnsafeBufferPointer(start: source, count: height * width * 3))
    }
  }

  /// The horizontal pass.
  private func resizeRows(
    _ source: UnsafePointer<UInt8>, rows: Int, columns: Int, to width: Int
  ) -> UnsafePointer<UInt8> {
    let narrowed = self.narrowed.reserve(rows * width * 3)
    TriangleTaps(from: columns, to: width).withTaps { windows, weights in
      var output = narrowed
      for row in 0..<rows {
        let line = source + row * columns * 3
        for window in windows {
          var pixel = line + window.first * 3
          var (red, green, blue) = (TriangleTaps.half, TriangleTaps.half, TriangleTaps.half)
          for tap in window.weight..<(window.weight + window.count) {
            let weight = weights[tap]
            red &+= Int32(pixel[0]) &* weight
            green &+= Int32(pixel[1]) &* weight
            blue &+= Int32(pixel[2]) &* weight
            pixel += 3
          }
          output[0] = TriangleTaps.byte(red)
          output[1] = TriangleTaps.byte(green)
          output[2] = TriangleTaps.byte(blue)
          output += 3
        }
      }
    }
    return UnsafePointer(narrowed)
  }

  /// The vertical pass.
  private func resizeColumns(
    _ source: UnsafePointer<UInt8>, rows: Int, columns: Int, to height: Int
  ) -> UnsafePointer<UInt8> {
    let count = columns * 3
    let resized = self.resized.reserve(height * count)
    let sums = self.sums.reserve(count)
    TriangleTaps(from: rows, to: height).withTaps { windows, weights in
      var output = resized
      for window in windows {
        sums.update(repeating: TriangleTaps.half, count: count)
        var line = source + window.first * count
        for tap in window.weight..<(window.weight + window.count) {
          let weight = weights[tap]
          for x in 0..<count { sums[x] &+= Int32(line[x]) &* weight }
          line += count
        }
        for x in 0..<count { output[x] = TriangleTaps.byte(sums[x]) }
        output += count
      }
    }
    return UnsafePointer(resized)
  }
}

/// Which source pixels make up each output pixel along one axis, and with what weight.
private struct TriangleTaps {
  struct Window {
    /// The first source pixel.
    let first: Int
    let count: Int
    /// Where the window's weights begin in ``weights``.
    let weight: Int
  }

  /// 8 bits for the pixel, 2 for the sum's head-room.
  private static let precisionBits: Int32 = 32 - 8 - 2

  /// Half of the last place: what a sum starts from, so that its shift rounds.
  static let half: Int32 = 1 << (precisionBits - 1)

  private let windows: [Window]
  private let weights: [Int32]

  init(from size: Int, to newSize: Int) {
    let scale = Double(size) / Double(newSize)
    let support = max(scale, 1)
    let steepness = 1 / support
    var windows: [Window] = []
    var weights: [Int32] = []
    windows.reserveCapacity(newSize)
    var triangle: [Double] = []
    for position in 0..<newSize {
      let centre = (Double(position) + 0.5) * scale
      let first = max(Int(centre - support + 0.5), 0)
      let end = min(Int(centre + support + 0.5), size)
      triangle.removeAll(keepingCapacity: true)
      var sum = 0.0
      for pixel in first..<end {
        let distance = abs((Double(pixel) - centre + 0.5) * steepness)
        let weight = distance < 1 ? 1 - distance : 0
        triangle.append(weight)
        sum += weight
      }
      windows.append(Window(first: first, count: triangle.count, weight: weights.count))
      for weight in triangle {
        weights.append(Int32(weight / sum * Double(1 << Self.precisionBits) + 0.5))
      }
    }
    self.windows = windows
    self.weights = weights
  }

  func withTaps(
    _ body: (UnsafeBufferPointer<Window>, UnsafeBufferPointer<Int32>) -> Void
  ) {
    windows.withUnsafeBufferPointer { windows in
      weights.withUnsafeBufferPointer { weights in body(windows, weights) }
    }
  }

  /// A finished sum as a pixel.
  @inline(__always) static func byte(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: min(sum &>> precisionBits, 255))
  }
}
