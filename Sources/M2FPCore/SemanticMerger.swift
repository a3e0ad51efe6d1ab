/// Merges instances into a map of classes, tile by tile.
struct SemanticMerger: ~Copyable {
  // Three float planes of a tile fit the L2 cache, a row of it the L1 cache.
  private static let tileWidth = 512
  private static let tileHeight = 64

  private var best = ScratchBuffer<Float>()
  private var sums = ScratchBuffer<Float>()
  private var counts = ScratchBuffer<Float>()

  /// A merged instance, or all of one class.
  private struct Layer {
    let region: MaskSampler.Region
    let label: UInt8
    let score: Float
    /// Below this logit, probability times score cannot reach the threshold.
    let logitThreshold: Float
  }

  /// Makes the map at the image's size.
  ///
  /// - Parameters:
  ///   - instances: Part and background instances to merge, by descending score, each above
  ///     `maskThreshold`.
  ///   - maskLogits: The masks of all queries.
  ///   - maskSize: Cells a mask.
  ///   - maskThreshold: A pixel belongs to an instance where probability × score exceeds it.
  ///   - geometry: Gives the image's size.
  ///   - sampler: Prepared for these masks, with room for all instances.
  /// - Returns: For each pixel the class with the highest mean of probability × score over the
  ///   class's instances there, the lowest of equals, and 0 where there are none.
  mutating func merge(
    _ instances: [Instance], _ maskLogits: UnsafePointer<Float>, _ maskSize: Int,
    maskThreshold: Float, geometry: NetworkGeometry, sampler: inout MaskSampler
  ) -> LabelMap {
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    var slot = 0
    // Within a class by ascending score, the order in which the reference adds.
    var layers: [Layer] = []
    for instance in instances.reversed() {
      let logitThreshold = logit(maskThreshold / instance.score)
      let region = sampler.region(
        of: maskLogits + instance.query * maskSize, above: logitThreshold, slot: slot)
      slot += 1
      if !region.isEmpty {
        layers.append(
          Layer(
            region: region, label: UInt8(instance.classIndex), score: instance.score,
            logitThreshold: logitThreshold))
      }
    }
    layers.sort { $0.label < $1.label }

    return filledMap(width, height) { labels in
      Self.forEachTile(layers.map(\.region), width, height) { rows, columns in
        mergeTile(layers, rows, columns, maskThreshold, labels, width, &sampler)
      }
    }
  }

  private mutating func mergeTile(
    _ layers: [Layer], _ rows: Range<Int>, _ columns: Range<Int>, _ maskThreshold: Float,
    _ labels: UnsafeMutablePointer<UInt8>, _ width: Int, _ sampler: inout MaskSampler
  ) {
    let stride = Self.tileWidth
    let best = best.reserve(Self.tileHeight * stride)
    best.update(repeating: 0, count: rows.count * stride)
    var index = 0
    while index < layers.count {
      var end = index + 1
      while end < layers.count, layers[end].label == layers[index].label { end += 1 }
      let group = layers[index..<end].filter { $0.region.meets(rows, columns) }
      index = end
      if group.count == 1, let layer = group.first {
        sampler.forEachRow(of: layer.region, rows: rows, columns: columns) { y, range, values in
          competeRow(
            values, range, layer.score, layer.logitThreshold, maskThreshold, layer.label,
            best + (y - rows.lowerBound) * stride, labels + (y * width + columns.lowerBound))
        }
      } else if let label = group.first?.label {
        let sums = sums.reserve(Self.tileHeight * stride)
        let counts = counts.reserve(Self.tileHeight * stride)
        sums.update(repeating: 0, count: rows.count * stride)
        counts.update(repeating: 0, count: rows.count * stride)
        for layer in group {
          sampler.forEachRow(of: layer.region, rows: rows, columns: columns) { y, range, values in
            let offset = (y - rows.lowerBound) * stride
            accumulateRow(
              values, range, layer.score, layer.logitThreshold, maskThreshold, sums + offset,
              counts + offset)
          }
        }
        for y in rows {
          let offset = (y - rows.lowerBound) * stride
          competeRow(
            sums + offset, counts + offset, 0..<columns.count, label, best + offset,
            labels + (y * width + columns.lowerBound))
        }
      }
    }
  }

  /// Calls `body` for each tile that a region reaches into.
  private static func forEachTile(
    _ regions: [MaskSampler.Region], _ width: Int, _ height: Int,
    _ body: (_ rows: Range<Int>, _ columns: Range<Int>) -> Void
  ) {
    for top in stride(from: 0, to: height, by: tileHeight) {
      let rows = top..<min(top + tileHeight, height)
      for left in stride(from: 0, to: width, by: tileWidth) {
        let columns = left..<min(left + tileWidth, width)
        if regions.contains(where: { $0.meets(rows, columns) }) { body(rows, columns) }
      }
    }
  }
}
