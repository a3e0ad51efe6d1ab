/// Whether each pixel belongs to something.
public typealias BitMask = Raster<Bool>

extension BitMask {
  /// The pixels that a class map gives one class.
  public init(of label: UInt8, in map: LabelMap) {
    self.init(width: map.width, height: map.height, pixels: map.pixels.map { $0 == label })
  }

  /// Lends out a byte for each pixel: 1 in the mask, 0 elsewhere.
  public func withBytes<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
    pixels.withUnsafeBytes { bytes in
      guard let start = bytes.baseAddress else { preconditionFailure("a mask has pixels") }
      return body(start.assumingMemoryBound(to: UInt8.self))
    }
  }

  /// What is not in the mask.
  public var inverted: BitMask {
    BitMask(width: width, height: height, pixels: pixels.map(!))
  }

  /// The mask with its holes closed: what it encloses, where pixels that only touch by a corner enclose,
  /// too. What reaches the edge of the image is no hole.
  ///
  /// - Parameter most: The pixels of the largest hole that is closed; nil for any.
  /// - Returns: The mask.
  public func fillingHoles(upTo most: Int? = nil) -> BitMask {
    setting(true, in: pieces(of: false, atCorners: false)) { hole in
      let touchesEdge =
        hole.rows.lowerBound == 0 || hole.rows.upperBound == height - 1
        || hole.columns.lowerBound == 0 || hole.columns.upperBound == width - 1
      return !touchesEdge && hole.pixels <= most ?? .max
    }
  }

  /// The mask without its small regions; pixels that touch by a corner are of one region.
  ///
  /// - Parameter least: The pixels of the smallest region that stays.
  /// - Returns: The mask.
  public func removingRegions(below least: Int) -> BitMask {
    setting(false, in: pieces(of: true, atCorners: true)) { $0.pixels < least }
  }

  /// The connected pieces of what is in the mask, or of what is not.
  func pieces(of value: Bool, atCorners: Bool) -> LabelPieces {
    var groups = [UInt8](repeating: 0, count: 256)
    groups[value ? 1 : 0] = 1
    return withBytes {
      LabelPieces(
        $0, width: width, height: height, stride: width, groups: groups, atCorners: atCorners)
    }
  }

  /// The mask with some pieces put in or left out.
  private func setting(
    _ value: Bool, in pieces: LabelPieces, where isMeant: (LabelPieces.Piece) -> Bool
  ) -> BitMask {
    var result = self
    let areMeant = pieces.pieces.map(isMeant)
    result.pixels.withUnsafeMutableBufferPointer { pixels in
      for run in pieces.runs where areMeant[run.piece] {
        let row = run.row * width
        pixels[row + run.columns.lowerBound..<row + run.columns.upperBound]
          .update(repeating: value)
      }
    }
    return result
  }

  /// The mask grown by a disc: all pixels whose centre is at most `radius` from that of one in it
  /// (a dilation).
  ///
  /// - Parameter radius: Pixels, at least 0.
  /// - Returns: The mask.
  public func grown(by radius: Float) -> BitMask {
    precondition(radius >= 0)
    let limit = min(Int(radius), max(width, height))
    // At a distance of so many rows the disc reaches so many columns to either side.
    let reach = (0...limit).map { Int((radius * radius - Float($0 * $0)).squareRoot()) }
    let distances = rowsToNearest(limit: limit)
    let grown = [Bool](unsafeUninitializedCapacity: pixels.count) { target, count in
      // How many discs begin at a column, less those that have ended before it.
      var changes = [Int32](repeating: 0, count: width + 1)
      for row in stride(from: 0, to: distances.count, by: width) {
        for x in 0..<width {
          let distance = Int(distances[row + x])
          guard distance <= limit else { continue }
          changes[max(0, x - reach[distance])] += 1
          changes[min(width, x + reach[distance] + 1)] -= 1
        }
        var open: Int32 = 0
        for x in 0..<width {
          open += changes[x]
          changes[x] = 0
          target.initializeElement(at: row + x, to: open > 0)
        }
        changes[width] = 0
      }
      count = pixels.count
    }
    return BitMask(width: width, height: height, pixels: grown)
  }

  /// The mask less all pixels whose centre is at most `radius` from one that is not in it (an erosion).
  /// At the edge of the image it stays as it is: nobody knows what lies behind.
  public func shrunk(by radius: Float) -> BitMask {
    inverted.grown(by: radius).inverted
  }

  /// For each pixel the rows, up or down, to the nearest one of its column that is in the mask; more than
  /// `limit` where that is further.
  private func rowsToNearest(limit: Int) -> [Int32] {
    let beyond = Int32(limit) + 1
    var distances = pixels.map { $0 ? 0 : beyond }
    distances.withUnsafeMutableBufferPointer { distances in
      for pixel in distances.indices.dropFirst(width) {
        distances[pixel] = Swift.min(distances[pixel], distances[pixel - width] + 1)
      }
      for pixel in distances.indices.dropLast(width).reversed() {
        distances[pixel] = Swift.min(distances[pixel], distances[pixel + width] + 1)
      }
    }
    return distances
  }

  /// The mask with smooth edges: a pixel is in it where most of the square of 2 `radius` + 1 pixels round
  /// it are (a median). Beyond the edge of the image its last pixels go on.
  public func smoothed(radius: Int) -> BitMask {
    precondition(radius >= 0)
    let side = 2 * radius + 1
    // Sums along the rows, then along the columns.
    var sums = [Int32](repeating: 0, count: pixels.count)
    for row in stride(from: 0, to: pixels.count, by: width) {
      func value(_ x: Int) -> Int32 { pixels[row + min(max(x, 0), width - 1)] ? 1 : 0 }
      var sum = (-radius...radius).reduce(0) { $0 + value($1) }
      for x in 0..<width {
        sums[row + x] = sum
        sum += value(x + radius + 1) - value(x - radius)
      }
    }
    var result = self
    var column = [Int32](repeating: 0, count: width)
    func row(_ y: Int) -> Int { min(max(y, 0), height - 1) * width }
    for y in -radius...radius {
      for x in 0..<width { column[x] += sums[row(y) + x] }
    }
    for y in 0..<height {
      let (entering, leaving) = (row(y + radius + 1), row(y - radius))
      for x in 0..<width {
        result.pixels[y * width + x] = Int(column[x]) * 2 > side * side
        column[x] += sums[entering + x] - sums[leaving + x]
      }
    }
    return result
  }
}
