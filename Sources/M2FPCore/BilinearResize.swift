/// One axis of a bilinear resize as torch's `interpolate(mode="bilinear", align_corners=False)`
/// does it: half-pixel centres, no antialiasing, clamped at the borders.
struct BilinearAxis {
  let source: Int
  /// Source steps a target step, in the same precision as torch's.
  let scale: Float

  init(from source: Int, to target: Int) {
    self.source = source
    self.scale = Float(source) / Float(target)
  }

  /// The two source positions that target position `index` lies between, and the weight of the
  /// second.
  func taps(at index: Int) -> (low: Int, high: Int, weight: Float) {
    let position = max(scale * (Float(index) + 0.5) - 0.5, 0)
    let low = min(Int(position), source - 1)
    return (low, min(low + 1, source - 1), min(max(position - Float(low), 0), 1))
  }
}

/// One axis of the way from a mask to the image: bilinear from the mask's size to the network's
/// input, the padding cut off, bilinear to the image's size.
///
/// Both steps are linear and separable, so together they are, along each axis, a weighted sum of
/// mask cells; as the first step never shrinks, three neighbouring cells are enough. Sums in
/// another order than the reference's differ by rounding only. With fewer than three cells the
/// weights past the last are 0.
struct ResizeChain {
  /// What one image position is made of: `weights` of the cells `base`, `base + 1`, `base + 2`.
  struct Tap {
    let base: Int
    /// The fourth is 0.
    let weights: SIMD4<Float>
  }

  private(set) var taps: [Tap] = []
  /// For each mask cell, the first image position that uses this or a later cell.
  private var firstReading: [Int] = []
  /// For each mask cell, the first image position that uses only later cells.
  private var endReading: [Int] = []
  private var key: [Int] = []

  /// Fills the tables.
  ///
  /// - Parameters:
  ///   - mask: Mask cells along the axis, at most `input`.
  ///   - input: Network input size along the axis, padding included.
  ///   - offset: Where the content starts in the input.
  ///   - content: Size of the content in the input.
  ///   - image: Size of the image along the axis.
  mutating func prepare(mask: Int, input: Int, offset: Int, content: Int, image: Int) {
    let wanted = [mask, input, offset, content, image]
    if key == wanted { return }
    precondition(0 < mask && mask <= input, "masks are smaller than the network's input")
    precondition(0 <= offset && 0 < content && offset + content <= input && 0 < image)
    key = wanted
    taps.removeAll(keepingCapacity: true)
    firstReading.removeAll(keepingCapacity: true)
    endReading.removeAll(keepingCapacity: true)
    taps.reserveCapacity(image)
    let toInput = BilinearAxis(from: mask, to: input)
    let toImage = BilinearAxis(from: content, to: image)
    for index in 0..<image {
      let outer = toImage.taps(at: index)
      let low = toInput.taps(at: offset + outer.low)
      let high = toInput.taps(at: offset + outer.high)
      let base = max(min(low.low, mask - 3), 0)
      var weights = SIMD4<Float>()
      weights[low.low - base] += (1 - outer.weight) * (1 - low.weight)
      weights[low.high - base] += (1 - outer.weight) * low.weight
      weights[high.low - base] += outer.weight * (1 - high.weight)
      weights[high.high - base] += outer.weight * high.weight
      taps.append(Tap(base: base, weights: weights))
      while firstReading.count <= high.high { firstReading.append(index) }
      while endReading.count < low.low { endReading.append(index) }
    }
    while firstReading.count < mask { firstReading.append(image) }
    while endReading.count < mask { endReading.append(image) }
  }

  /// The image positions that use one of the mask cells `first...last`.
  func positions(using first: Int, through last: Int) -> Range<Int> {
    let start = firstReading[first]
    return start..<max(start, endReading[last])
  }
}
