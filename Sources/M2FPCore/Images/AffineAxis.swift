/// One axis of an affine map without rotation, from positions of a target to those of a source, as
/// OpenCV's `warpAffine` has them: rounded to 1024ths of a pixel, and these to 32nds. Positions are of
/// pixels' centres.
struct AffineAxis: Equatable {
  /// OpenCV rounds what a column and the map's offset add to a position each on its own.
  enum Direction { case columns, rows }

  /// Parts of a pixel.
  static let parts = 32

  private let direction: Direction
  private let step: Double
  private let offset: Double

  /// - Parameters:
  ///   - direction: Which axis it is.
  ///   - step: Source pixels a target pixel.
  ///   - offset: Where the target's first pixel lies in the source.
  init(_ direction: Direction, step: Double, offset: Double) {
    self.direction = direction
    self.step = step
    self.offset = offset
  }

  /// Where a target pixel lies in the source, in 32nds of a pixel.
  func position(of index: Int) -> Int {
    func rounded(_ pixels: Double) -> Int { Int((pixels * 1024).rounded(.toNearestOrEven)) }
    let way = step * Double(index)
    let position =
      switch direction {
      case .columns: rounded(offset) + rounded(way)
      case .rows: rounded(way + offset)
      }
    return (position + 1024 / Self.parts / 2) >> 5
  }
}

extension RGBImage {
  /// The picture that an affine map makes of this: bilinear, black where this has no pixels, as
  /// OpenCV's `warpAffine`.
  ///
  /// - Parameters:
  ///   - width: The new width, at least 1.
  ///   - height: The new height, at least 1.
  ///   - columns: From columns of the new picture to those of this one.
  ///   - rows: The same of rows.
  /// - Returns: `height × width` pixels.
  func warped(width: Int, height: Int, columns: AffineAxis, rows: AffineAxis) -> RGBImage {
    /// Two neighbours and the weight of the second in 32nds; a neighbour that is not there weighs
    /// nothing.
    struct Tap {
      var low = 0
      var high = 0
      var lowWeight = 0
      var highWeight = 0

      init(at position: Int, of count: Int) {
        let first = position >> 5
        let weight = position & (AffineAxis.parts - 1)
        if (0..<count).contains(first) { (low, lowWeight) = (first, AffineAxis.parts - weight) }
        if (0..<count).contains(first + 1) { (high, highWeight) = (first + 1, weight) }
      }
    }
    let taps = (0..<width).map { Tap(at: columns.position(of: $0), of: self.width) }
    var result = [UInt8](repeating: 0, count: width * height * 3)
    result.withUnsafeMutableBufferPointer { result in
      pixels.withUnsafeBufferPointer { pixels in
        guard let result = result.baseAddress, let pixels = pixels.baseAddress else { return }
        for y in 0..<height {
          let row = Tap(at: rows.position(of: y), of: self.height)
          let (top, bottom) = (
            pixels + 3 * row.low * self.width, pixels + 3 * row.high * self.width
          )
          var target = result + 3 * y * width
          for tap in taps {
            for channel in 0..<3 {
              let (low, high) = (3 * tap.low + channel, 3 * tap.high + channel)
              let upper = Int(top[low]) * tap.lowWeight + Int(top[high]) * tap.highWeight
              let lower = Int(bottom[low]) * tap.lowWeight + Int(bottom[high]) * tap.highWeight
              target[channel] = UInt8((upper * row.lowWeight + lower * row.highWeight + 512) >> 10)
            }
            target += 3
          }
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: result)
  }
}
