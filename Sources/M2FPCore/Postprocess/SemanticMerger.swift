import CPostprocess

/// Logits just below and just above that of `probability` (between 0 and 1): safe bounds for deciding
/// without computing the logistic function, rounding included.
func logitBounds(_ probability: Float) -> (low: Float, high: Float) {
  var (low, high): (Float, Float) = (-80, 80)
  for _ in 0..<32 {
    let middle = (low + high) / 2
    if 1 / (1 + m2fp_post_exp(-middle)) < probability { low = middle } else { high = middle }
  }
  return (low - 1e-3 * max(1, abs(low)), high + 1e-3 * max(1, abs(high)))
}

/// An instance that is merged into the map of classes.
struct MergedInstance {
  /// Which of the masks is its own.
  let mask: Int
  let classIndex: Int
  let score: Float
  /// The run of the network that it comes from.
  let pass: Int
}

/// Merges instances into a map of classes, tile by tile.
struct SemanticMerger: ~Copyable {
  // The planes of a tile fit the L2 cache, a row of them the L1 cache.
  private static let tileWidth = 512
  static let tileHeight = 64

  private var owners = ScratchBuffer<UInt8>()
  private var conflicts = ScratchBuffer<UInt8>()
  private var best = ScratchBuffer<Float>()
  private var sums = ScratchBuffer<Float>()
  private var counts = ScratchBuffer<Float>()
  private var means = ScratchBuffer<Float>()
  private var present = ScratchBuffer<Float>()

  /// A merged instance, or all of one class.
  private struct Layer {
    let region: MaskExtent
    let label: UInt8
    let pass: Int
    let presence: m2fp_post_presence
  }

  /// Makes shares of the map at the image's size: of each pixel the class with the highest mean of
  /// probability × score over the class's instances there, the lowest of equals, and 0 where there are
  /// none. Of several passes the means are added up.
  ///
  /// - Parameters:
  ///   - instances: Part and background instances to merge, each above `maskThreshold`, by class and
  ///     pass; those of a class and pass are added in the order in which they come.
  ///   - masks: The masks of the instances.
  ///   - maskThreshold: A pixel belongs to an instance where probability × score exceeds it.
  ///   - rows: The image's rows to do, in multiples of ``tileHeight``.
  ///   - sampler: Prepared for these masks, with room for all instances.
  ///   - labels: The whole map, zeros. Gets the classes.
  mutating func merge(
    _ instances: [MergedInstance], _ masks: Masks, maskThreshold: Float, rows: Chunks,
    sampler: inout MaskSampler, labels: UnsafeMutablePointer<UInt8>
  ) {
    let width = masks.geometry.imageWidth
    var slot = 0
    var layers: [Layer] = []
    for instance in instances {
      let bounds = logitBounds(maskThreshold / instance.score)
      let region = sampler.region(
        of: masks[instance.mask], above: bounds.low, slot: slot)
      slot += 1
      if !region.isEmpty {
        layers.append(
          Layer(
            region: region, label: UInt8(instance.classIndex), pass: instance.pass,
            presence: m2fp_post_presence(
              score: instance.score, threshold: maskThreshold, low: bounds.low, high: bounds.high)))
      }
    }
    let regions = layers.map(\.region)
    for rows in rows {
      Self.forEachTile(regions, rows, width) { rows, columns in
        mergeTile(layers, rows, columns, labels, width, &sampler)
      }
    }
  }

  /// Where the instances present are all of one class, that is the label; only where they are of
  /// several their means have to be computed.
  private mutating func mergeTile(
    _ layers: [Layer], _ rows: Range<Int>, _ columns: Range<Int>,
    _ labels: UnsafeMutablePointer<UInt8>, _ width: Int, _ sampler: inout MaskSampler
  ) {
    let stride = Self.tileWidth
    let vectors = stride / MaskSampler.lanes
    let owners = owners.reserve(Self.tileHeight * stride)
    let conflicts = conflicts.reserve(Self.tileHeight * vectors)
    owners.update(repeating: UInt8(M2FP_POST_NO_LABEL), count: rows.count * stride)
    conflicts.update(repeating: 0, count: rows.count * vectors)
    let here = layers.filter { $0.region.meets(rows, columns) }
    for layer in here {
      var presence = layer.presence
      sampler.forEachRow(of: layer.region, rows: rows, columns: columns) { y, range, row in
        let index = y - rows.lowerBound
        m2fp_post_claim_row(
          &row, Int32(range.lowerBound), Int32(range.upperBound), &presence, layer.label,
          owners + index * stride, conflicts + index * vectors)
      }
    }
    settleConflicts(here, rows, columns, owners, conflicts, &sampler)
    for y in rows {
      let source = owners + (y - rows.lowerBound) * stride
      let target = labels + (y * width + columns.lowerBound)
      for x in 0..<columns.count {
        target[x] = source[x] == UInt8(M2FP_POST_NO_LABEL) ? 0 : source[x]
      }
    }
  }

  private mutating func settleConflicts(
    _ layers: [Layer], _ rows: Range<Int>, _ columns: Range<Int>,
    _ owners: UnsafeMutablePointer<UInt8>, _ conflicts: UnsafePointer<UInt8>,
    _ sampler: inout MaskSampler
  ) {
    let stride = Self.tileWidth
    let vectors = stride / MaskSampler.lanes
    func hasConflict(_ index: Int) -> Bool {
      UnsafeBufferPointer(start: conflicts + index * vectors, count: vectors).contains { $0 != 0 }
    }
    let wanted = (0..<rows.count).map(hasConflict)
    guard let first = wanted.firstIndex(of: true), let last = wanted.lastIndex(of: true) else {
      return
    }
    let rows = rows.lowerBound + first..<rows.lowerBound + last + 1
    let (owners, conflicts) = (owners + first * stride, conflicts + first * vectors)
    let best = best.reserve(Self.tileHeight * stride)
    let sums = sums.reserve(Self.tileHeight * stride)
    let counts = counts.reserve(Self.tileHeight * stride)
    for plane in [best, sums, counts] { plane.update(repeating: 0, count: rows.count * stride) }
    // Of one pass the sums compete as they are.
    let isSinglePass = layers.allSatisfy { $0.pass == layers[0].pass }
    let means = means.reserve(isSinglePass ? 1 : Self.tileHeight * stride)
    let present = present.reserve(isSinglePass ? 1 : Self.tileHeight * stride)
    if !isSinglePass {
      for plane in [means, present] { plane.update(repeating: 0, count: rows.count * stride) }
    }
    for (index, layer) in layers.enumerated() {
      var presence = layer.presence
      sampler.forEachRow(of: layer.region, rows: rows, columns: columns) { y, range, row in
        let index = y - rows.lowerBound
        guard wanted[first + index] else { return }
        m2fp_post_accumulate_row(
          &row, Int32(range.lowerBound), Int32(range.upperBound), &presence,
          conflicts + index * vectors, sums + index * stride, counts + index * stride)
      }
      let next = index + 1 < layers.count ? layers[index + 1] : nil
      let endsClass = next?.label != layer.label
      if !isSinglePass, endsClass || next?.pass != layer.pass {
        for index in 0..<rows.count where wanted[first + index] {
          m2fp_post_fold_row(
            sums + index * stride, counts + index * stride, Int32(stride),
            conflicts + index * vectors, means + index * stride, present + index * stride)
        }
      }
      if !endsClass { continue }
      let (values, numbers) = isSinglePass ? (sums, counts) : (means, present)
      for index in 0..<rows.count where wanted[first + index] {
        m2fp_post_compete_row(
          values + index * stride, numbers + index * stride, Int32(stride), layer.label,
          conflicts + index * vectors, best + index * stride, owners + index * stride)
      }
    }
  }

  /// Calls `body` for each tile that a region reaches into.
  private static func forEachTile(
    _ regions: [MaskExtent], _ rows: Range<Int>, _ width: Int,
    _ body: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    for top in stride(from: rows.lowerBound, to: rows.upperBound, by: tileHeight) {
      let rows = top..<min(top + tileHeight, rows.upperBound)
      for left in stride(from: 0, to: width, by: tileWidth) {
        let columns = left..<min(left + tileWidth, width)
        if regions.contains(where: { $0.meets(rows, columns) }) { body(rows, columns) }
      }
    }
  }
}
