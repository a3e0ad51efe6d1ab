// What happens to one row of one mask within a tile. Ranges are whole vectors; label rows may be
// read, and written with what was there, up to a vector past their end.

/// Lets an instance that is alone in its class compete: where probability × score exceeds
/// `maskThreshold` and the best so far, it takes the pixel.
func competeRow(
  _ logits: UnsafePointer<Float>, _ range: Range<Int>, _ score: Float, _ logitThreshold: Float,
  _ maskThreshold: Float, _ label: UInt8, _ best: UnsafeMutablePointer<Float>,
  _ labels: UnsafeMutablePointer<UInt8>
) {
  var x = range.lowerBound
  while x < range.upperBound {
    let logit = loadLanes(logits + x)
    if anyLane(logit .> logitThreshold) {
      let value = logistic(logit) * score
      takePixels(value, value .> maskThreshold, label, best + x, labels + x)
    }
    x += MaskSampler.lanes
  }
}

/// Lets the mean of a class's instances compete.
func competeRow(
  _ sums: UnsafePointer<Float>, _ counts: UnsafePointer<Float>, _ range: Range<Int>,
  _ label: UInt8, _ best: UnsafeMutablePointer<Float>, _ labels: UnsafeMutablePointer<UInt8>
) {
  var x = range.lowerBound
  while x < range.upperBound {
    let count = loadLanes(counts + x)
    let present = count .> 0
    if anyLane(present) {
      takePixels(loadLanes(sums + x) / count, present, label, best + x, labels + x)
    }
    x += MaskSampler.lanes
  }
}

@inline(__always)
private func takePixels(
  _ value: Lanes, _ present: SIMDMask<SIMD16<Int32>>, _ label: UInt8,
  _ best: UnsafeMutablePointer<Float>, _ labels: UnsafeMutablePointer<UInt8>
) {
  // Classes come in ascending order, so that of equals the lowest stays.
  let current = loadLanes(best)
  let better = present .& (value .> current)
  if !anyLane(better) { return }
  storeLanes(current.replacing(with: value, where: better), best)
  blendBytes(laneBits(better), label, labels)
}

/// Adds an instance's probability × score to its class's sum where it exceeds `maskThreshold`.
func accumulateRow(
  _ logits: UnsafePointer<Float>, _ range: Range<Int>, _ score: Float, _ logitThreshold: Float,
  _ maskThreshold: Float, _ sums: UnsafeMutablePointer<Float>,
  _ counts: UnsafeMutablePointer<Float>
) {
  var x = range.lowerBound
  while x < range.upperBound {
    let logit = loadLanes(logits + x)
    if anyLane(logit .> logitThreshold) {
      let value = logistic(logit) * score
      let present = value .> maskThreshold
      storeLanes(loadLanes(sums + x) + Lanes().replacing(with: value, where: present), sums + x)
      storeLanes(loadLanes(counts + x) + Lanes().replacing(with: 1, where: present), counts + x)
    }
    x += MaskSampler.lanes
  }
}

/// Sets the bytes whose lane is all ones.
@inline(__always)
private func blendBytes(
  _ lanes: SIMD16<Int32>, _ label: UInt8, _ labels: UnsafeMutablePointer<UInt8>
) {
  let mask = SIMD16<UInt8>(truncatingIfNeeded: lanes)
  storeBytes((loadBytes(labels) & ~mask) | (mask & label), labels)
}

/// A map that starts as zeros and that `fill` writes, row kernels' slack at the end included.
func filledMap(
  _ width: Int, _ height: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void
) -> LabelMap {
  let count = width * height
  let labels = [UInt8](unsafeUninitializedCapacity: count + MaskSampler.lanes) {
    buffer, initialized in
    buffer.initialize(repeating: 0)
    if let start = buffer.baseAddress { fill(start) }
    initialized = count
  }
  return LabelMap(width: width, height: height, labels: labels)
}
