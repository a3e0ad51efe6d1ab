/// What is known of a mask at the image's size without keeping it.
struct MaskStatistics: Equatable {
  /// Mean of the logistic function over the pixels whose logit is above zero; 0 if there are none.
  let score: Float
  /// How many such pixels there are.
  let pixelCount: Int
  /// The box round them.
  let box: Instance.Box?
}

extension MaskSampler {
  /// Walks a mask's pixels once and sums up those above zero. Uses region slot 0.
  mutating func statistics(
    of logits: UnsafePointer<Float>, _ geometry: NetworkGeometry
  ) -> MaskStatistics {
    let region = region(of: logits, above: 0, slot: 0)
    var tally = Tally()
    var left = region.columns.lowerBound
    while left < region.columns.upperBound {
      let columns = left..<min(left + Self.stripWidth, geometry.imageWidth)
      tally.left = left
      forEachRow(of: region, rows: region.rows, columns: columns) { y, range, values in
        tally.add(row: y, range, values)
      }
      left = columns.upperBound
    }
    guard tally.count > 0 else { return MaskStatistics(score: 0, pixelCount: 0, box: nil) }
    // The reference guards its division by 1e-6 more pixels.
    return MaskStatistics(
      score: Float(tally.sum / (Double(tally.count) + 1e-6)), pixelCount: tally.count,
      box: Instance.Box(
        x: tally.minX, y: tally.minY, width: tally.maxX - tally.minX + 1,
        height: tally.maxY - tally.minY + 1))
  }
}

private struct Tally {
  /// Image column that index 0 of the rows stands for.
  var left = 0
  var sum = 0.0
  var count = 0
  var minX = Int.max
  var maxX = -1
  var minY = Int.max
  var maxY = -1

  @inline(__always)
  mutating func add(row y: Int, _ range: Range<Int>, _ values: UnsafePointer<Float>) {
    var complements = Lanes()
    var counts = SIMD16<Int32>()
    var minX = self.minX
    var maxX = self.maxX
    var x = range.lowerBound
    while x < range.upperBound {
      let value = loadLanes(values + x)
      let positive = value .> 0
      if anyLane(positive) {
        // The logistic function is 1 − e / (1 + e).
        let e = decay(value).replacing(with: 0, where: .!positive)
        complements += e / (1 + e)
        counts &-= laneBits(positive)
        if left + x < minX || left + x + MaskSampler.lanes - 1 > maxX {
          for lane in 0..<MaskSampler.lanes where values[x + lane] > 0 {
            minX = min(minX, left + x + lane)
            maxX = max(maxX, left + x + lane)
          }
        }
      }
      x += MaskSampler.lanes
    }
    let rowCount = Int(counts.wrappedSum())
    if rowCount == 0 { return }
    sum += Double(rowCount) - Double(complements.sum())
    count += rowCount
    self.minX = minX
    self.maxX = maxX
    minY = min(minY, y)
    maxY = max(maxY, y)
  }
}
