import CPostprocess

/// Scores and merges masks for an image several times as large as the content of the network's input.
///
/// The image's pixels between four neighbours of the content, a patch, have values between theirs.
/// So a look at the four settles most patches, and only the others are computed pixel by pixel.
struct PatchSampler: ~Copyable {
  /// How many times as large as the content the image must be, along both axes, for this to pay.
  private static let leastScale = 3

  /// Masks at the content's size.
  private var content = MaskSampler()
  private var columns = PatchAxis()
  private var rows = PatchAxis()
  private var buffer = ScratchBuffer<Float>()
  private var geometry = NetworkGeometry(
    imageWidth: 0, imageHeight: 0, contentWidth: 0, contentHeight: 0, offsetX: 0, offsetY: 0,
    inputWidth: 0, inputHeight: 0)

  static func suits(_ geometry: NetworkGeometry, layers: Int) -> Bool {
    leastScale * geometry.contentWidth <= geometry.imageWidth
      && leastScale * geometry.contentHeight <= geometry.imageHeight
      && layers <= Int(M2FP_POST_MAX_LAYERS)
  }

  /// Sets the sizes for the next image, and room for `regions` masks at a time.
  mutating func prepare(_ masks: Masks, regions: Int) {
    geometry = masks.geometry
    content.prepare(masks.atContentSize, regions: regions)
    columns.prepare(content: geometry.contentWidth, image: geometry.imageWidth)
    rows.prepare(content: geometry.contentHeight, image: geometry.imageHeight)
  }

  /// Values of one row of the content, the one past its end and vectors' slack included.
  private var stride: Int { geometry.contentWidth + 1 + 2 * MaskSampler.lanes }

  /// The patches that a mask reaches into, and the columns of the content at their sides.
  private struct Reach {
    let patches: Range<Int>
    let columns: Range<Int>
    /// Rows of patches.
    let bands: Range<Int>

    init(_ region: MaskExtent, _ geometry: NetworkGeometry) {
      let first = max(region.columns.lowerBound - 1, 0)
      patches = first..<region.columns.upperBound
      columns = first..<min(region.columns.upperBound + 1, geometry.contentWidth)
      bands = max(region.rows.lowerBound - 1, 0)..<region.rows.upperBound
    }
  }

  /// Writes the logits of row `y` of the content; what lies past its last column is as that is.
  private func read(
    _ region: MaskExtent, _ y: Int, _ reach: Reach,
    _ widened: inout MaskSampler.WidenedRows, _ target: UnsafeMutablePointer<Float>
  ) {
    content.readRow(
      of: region, y: min(y, geometry.contentHeight - 1), columns: reach.columns, rows: &widened,
      target)
    if reach.columns.upperBound == geometry.contentWidth {
      target[geometry.contentWidth] = target[geometry.contentWidth - 1]
    }
  }

  /// Sums up the pixels of a mask that are above zero. Uses region slot 0.
  mutating func statistics(of logits: UnsafePointer<Float>) -> MaskStatistics {
    let region = content.region(of: logits, above: 0, slot: 0)
    var tally = m2fp_post_tally.empty
    if region.isEmpty { return MaskStatistics(tally) }
    let reach = Reach(region, geometry)
    var patches = columns.patches
    let buffer = buffer.reserve((2 + MaskSampler.WidenedRows.count) * stride)
    var (top, bottom) = (buffer, buffer + stride)
    var widened = MaskSampler.WidenedRows(buffer + 2 * stride, stride: stride)
    read(region, reach.bands.lowerBound, reach, &widened, top)
    for row in reach.bands {
      read(region, row + 1, reach, &widened, bottom)
      var band = rows.band(row)
      m2fp_post_tally_patches(
        &patches, &band, top, bottom, Int32(reach.patches.lowerBound),
        Int32(reach.patches.upperBound), &tally)
      swap(&top, &bottom)
    }
    return MaskStatistics(tally)
  }

  /// Rows of patches that a thread takes at a time: so many that reading one row of the content more
  /// for each share costs little.
  static let bandsAShare = 32

  /// Makes shares of the map of classes, as
  /// ``SemanticMerger/merge(_:_:maskThreshold:rows:sampler:labels:)`` does.
  ///
  /// - Parameters:
  ///   - instances: Of one pass, by class, and within a class in the order in which they are to be
  ///     added.
  ///   - masks: The masks of the instances.
  ///   - maskThreshold: A pixel belongs to an instance where probability × score exceeds it.
  ///   - bands: The rows of patches to do, which are as many as rows of the content.
  ///   - labels: The whole map, zeros. Gets the class of each pixel.
  mutating func merge(
    _ instances: [MergedInstance], _ masks: Masks, maskThreshold: Float, bands: Chunks,
    labels: UnsafeMutablePointer<UInt8>
  ) {
    let stride = stride
    // Two rows of the content, their values, and the rows that they are made of.
    let memorySize = (4 + MaskSampler.WidenedRows.count) * stride
    let buffer = buffer.reserve(memorySize * max(instances.count, 1))
    buffer.update(repeating: 0, count: memorySize * instances.count)
    var layers: [Layer] = []
    for instance in instances {
      let bounds = logitBounds(maskThreshold / instance.score)
      let region = content.region(
        of: masks[instance.mask], above: bounds.low, slot: layers.count)
      if region.isEmpty { continue }
      let reach = Reach(region, geometry)
      let memory = buffer + memorySize * layers.count
      layers.append(
        Layer(
          region: region, reach: reach, memory: memory,
          widened: MaskSampler.WidenedRows(memory + 4 * stride, stride: stride),
          rows: m2fp_post_layer(
            top: memory, bottom: memory, top_value: memory, bottom_value: memory,
            from: Int32(reach.patches.lowerBound), to: Int32(reach.patches.upperBound),
            presence: m2fp_post_presence(
              score: instance.score, threshold: maskThreshold, low: bounds.low, high: bounds.high),
            label: UInt8(instance.classIndex))))
    }

    var patches = columns.patches
    var active: [m2fp_post_layer] = []
    active.reserveCapacity(layers.count)
    for row in bands.joined() {
      active.removeAll(keepingCapacity: true)
      var from = Int32.max
      var to: Int32 = 0
      for index in layers.indices where layers[index].reach.bands.contains(row) {
        for y in max(row, layers[index].unread)...row + 1 { readRow(y, &layers[index]) }
        let memory = layers[index].memory
        layers[index].rows.top = UnsafePointer(memory + row % 2 * stride)
        layers[index].rows.bottom = UnsafePointer(memory + (row + 1) % 2 * stride)
        layers[index].rows.top_value = layers[index].rows.top + 2 * stride
        layers[index].rows.bottom_value = layers[index].rows.bottom + 2 * stride
        from = min(from, layers[index].rows.from)
        to = max(to, layers[index].rows.to)
        active.append(layers[index].rows)
      }
      if active.isEmpty { continue }
      var band = rows.band(row)
      m2fp_post_merge_patches(
        &patches, &band, active, Int32(active.count), from, to,
        labels + Int(band.first) * geometry.imageWidth, Int32(geometry.imageWidth))
    }
  }

  /// A merged instance and its memory: the even row of the content, the odd one, and the same for
  /// their values.
  private struct Layer {
    let region: MaskExtent
    let reach: Reach
    let memory: UnsafeMutablePointer<Float>
    var widened: MaskSampler.WidenedRows
    var rows: m2fp_post_layer
    /// The row of the content after the last that was read.
    var unread = 0
  }

  /// Reads a row of the content, logits and values.
  private func readRow(_ y: Int, _ layer: inout Layer) {
    let logits = layer.memory + y % 2 * stride
    let values = logits + 2 * stride
    let columns = layer.reach.columns
    read(layer.region, y, layer.reach, &layer.widened, logits)
    // With the one past the last.
    let end = columns.upperBound + (columns.upperBound == geometry.contentWidth ? 1 : 0)
    var same = m2fp_post_row(a: logits, b: logits, c: nil, weight_a: 1, weight_b: 0, weight_c: 0)
    m2fp_post_logistic_row(
      &same, Int32(columns.lowerBound), Int32(end), layer.rows.presence.low,
      layer.rows.presence.score, values)
    // Nothing where the mask does not reach.
    (values + end).update(repeating: 0, count: MaskSampler.lanes)
    layer.unread = y + 1
  }
}
