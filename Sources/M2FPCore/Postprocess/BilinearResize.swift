import CPostprocess

/// One axis of a bilinear resize as torch's `interpolate(mode="bilinear")` does it, without
/// antialiasing: half-pixel centres, clamped at the borders, or with `align_corners` both ends on ends.
struct BilinearAxis {
  let source: Int
  /// Source steps a target step, in the same precision as torch's.
  let scale: Float
  /// What a target position is before the first.
  private let shift: Float
  /// Where target positions lie, if not by the scale.
  private let warp: AffineAxis?

  init(from source: Int, to target: Int, alignsCorners: Bool = false, warp: AffineAxis? = nil) {
    self.source = source
    self.warp = warp
    scale =
      alignsCorners
      ? (target > 1 ? Float(source - 1) / Float(target - 1) : 0) : Float(source) / Float(target)
    shift = alignsCorners ? 0 : 0.5
  }

  /// The two source positions that target position `index` lies between, and the weight of the
  /// second.
  func taps(at index: Int) -> (low: Int, high: Int, weight: Float) {
    let position =
      if let warp {
        max(Float(warp.position(of: index)) / Float(AffineAxis.parts), 0)
      } else {
        max(scale * (Float(index) + shift) - shift, 0)
      }
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
struct ResizeChain: ~Copyable {
  /// What one image position is made of: `weights` of the cells `base`, `base + 1`, `base + 2`.
  struct Tap {
    let base: Int
    /// The fourth is 0.
    let weights: SIMD4<Float>
  }

  /// All taps as the row kernels take them; nil before ``prepare(mask:input:offset:content:image:alignsCorners:warp:)``.
  private(set) var columns: m2fp_post_columns?

  private var positions = ScratchBuffer<Int32>()
  private var weights = ScratchBuffer<Float>()
  /// For each mask cell, the first image position that uses this or a later cell.
  private var firstReading: [Int] = []
  /// For each mask cell, the first image position that uses only later cells.
  private var endReading: [Int] = []
  private var key: [Int] = []
  private var warp: AffineAxis?

  /// Fills the tables.
  ///
  /// - Parameters:
  ///   - mask: Mask cells along the axis, at most `input`.
  ///   - input: Network input size along the axis, padding included.
  ///   - offset: Where the content starts in the input.
  ///   - content: Size of the content in the input.
  ///   - image: Size of the image along the axis.
  ///   - alignsCorners: Whether the outermost cells lie on the outermost pixels of the input.
  ///   - warp: From the image to the content, if not edges on edges.
  mutating func prepare(
    mask: Int, input: Int, offset: Int, content: Int, image: Int, alignsCorners: Bool = false,
    warp: AffineAxis? = nil
  ) {
    let wanted = [mask, input, offset, content, image, alignsCorners ? 1 : 0]
    if key == wanted, self.warp == warp { return }
    self.warp = warp
    precondition(0 < mask && mask <= input, "masks are smaller than the network's input")
    precondition(0 <= offset && 0 < content && offset + content <= input && 0 < image)
    key = wanted
    firstReading.removeAll(keepingCapacity: true)
    endReading.removeAll(keepingCapacity: true)
    // Vectors may be read past the end.
    let stride = image + Int(M2FP_POST_LANES)
    let bases = positions.reserve(image + mask)
    let ends = bases + image
    let weights = weights.reserve(3 * stride)
    weights.update(repeating: 0, count: 3 * stride)
    let toInput = BilinearAxis(from: mask, to: input, alignsCorners: alignsCorners)
    let toImage = BilinearAxis(from: content, to: image, warp: warp)
    for index in 0..<image {
      let outer = toImage.taps(at: index)
      let low = toInput.taps(at: offset + outer.low)
      let high = toInput.taps(at: offset + outer.high)
      let base = max(min(low.low, mask - 3), 0)
      func add(_ cell: Int, _ weight: Float) { weights[(cell - base) * stride + index] += weight }
      add(low.low, (1 - outer.weight) * (1 - low.weight))
      add(low.high, (1 - outer.weight) * low.weight)
      add(high.low, outer.weight * (1 - high.weight))
      add(high.high, outer.weight * high.weight)
      bases[index] = Int32(base)
      ends[base] = Int32(index + 1)
      while firstReading.count <= high.high { firstReading.append(index) }
      while endReading.count < low.low { endReading.append(index) }
    }
    while firstReading.count < mask { firstReading.append(image) }
    while endReading.count < mask { endReading.append(image) }
    columns = m2fp_post_columns(
      base: bases, end: ends, weight_0: weights, weight_1: weights + stride,
      weight_2: weights + 2 * stride)
  }

  /// What an image position is made of.
  func tap(at index: Int) -> Tap {
    guard let columns else { preconditionFailure("prepare first") }
    return Tap(
      base: Int(columns.base[index]),
      weights: SIMD4(
        columns.weight_0[index], columns.weight_1[index], columns.weight_2[index], 0))
  }

  /// Widens a row of cells to the image positions `range`, relative to `origin`; those from `end` on
  /// are hugely negative. Writes up to ``MaskSampler/lanes`` values more to `target`.
  func widen(
    _ cells: UnsafePointer<Float>, origin: Int, range: Range<Int>, end: Int,
    _ target: UnsafeMutablePointer<Float>
  ) {
    guard var columns else { preconditionFailure("prepare first") }
    let valid = min(range.upperBound, end)
    m2fp_post_widen_row(
      cells, &columns, Int32(origin + range.lowerBound), Int32(origin + valid), Int32(origin),
      target)
    for x in max(valid, range.lowerBound)..<max(range.upperBound, valid) {
      target[x] = Self.farBelow
    }
  }

  /// Below every threshold, and finite so that zero times it is 0.
  private static let farBelow: Float = -1e30

  /// The image positions that use one of the mask cells `first...last`.
  func positions(using first: Int, through last: Int) -> Range<Int> {
    let start = firstReading[first]
    return start..<max(start, endReading[last])
  }
}
