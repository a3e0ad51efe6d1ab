import CPostprocess

/// Merger of the queries of a single-human model: for each class the sum over the queries of class
/// probability × mask probability at the network's size, resized to the image, and of the classes
/// the one with the highest sum (``ClassRowMerger``).
struct SingleHumanMerger: ~Copyable {
  /// Mask to network input, the padding cut off.
  private var maskColumns = ResizeChain()
  private var maskRows = ResizeChain()

  private var widenedMasks = ScratchBuffer<Float>()
  private var maskProbabilities = ScratchBuffer<Float>()
  private var weights = ScratchBuffer<Float>()

  /// Widened mask rows held a query; an input row needs at most three.
  private static let heldMaskRows = 4

  /// Reads one image's output.
  ///
  /// - Parameters:
  ///   - masks: The masks of all queries.
  ///   - classProbabilities: `queries × classes` values.
  ///   - queries: How many there are.
  ///   - passes: How many runs of the network they come from; sums are means over these.
  ///   - classes: How many there are, "no object" left out.
  ///   - persons: Whether to take what is found for a person; nil for no persons.
  ///   - team: The threads.
  /// - Returns: The result at the image's own size.
  static func parse(
    _ masks: Masks, _ classProbabilities: UnsafePointer<Float>, queries: Int, passes: Int,
    classes: Int, persons: PersonRules?, team: ThreadTeam<Workspace>
  ) -> ParsingResult {
    ClassRowMerger.parse(
      masks.geometry, classes: classes, persons: persons, team: team,
      // The reference divides by one pixel more.
      score: { total, count in Float(total / Double(count + 1)) }
    ) { memory, rows, labels, totals in
      memory.singleHuman.merge(
        masks, classProbabilities, queries: queries, passes: passes, classes: classes, rows: rows,
        merger: &memory.rowMerger, labels: labels, totals: totals)
    }
  }

  /// Makes chunks of the map of classes, and sums up how sure the network is of each class.
  ///
  /// - Parameters:
  ///   - masks: The masks of all queries.
  ///   - classProbabilities: `queries × classes` values.
  ///   - queries: How many there are.
  ///   - passes: How many runs of the network they come from.
  ///   - classes: How many there are.
  ///   - rows: Rows of the image.
  ///   - merger: What merges rows of classes.
  ///   - labels: The whole map. Gets the classes.
  ///   - totals: `classes` sums for each chunk of the image.
  private mutating func merge(
    _ masks: Masks, _ classProbabilities: UnsafePointer<Float>, queries: Int, passes: Int,
    classes: Int, rows: Chunks, merger: inout ClassRowMerger, labels: UnsafeMutablePointer<UInt8>,
    totals: UnsafeMutablePointer<Double>
  ) {
    let geometry = masks.geometry
    let (contentWidth, contentHeight) = (geometry.contentWidth, geometry.contentHeight)
    maskColumns.prepare(
      mask: masks.width, input: geometry.inputWidth, offset: geometry.offsetX,
      content: contentWidth, image: contentWidth)
    maskRows.prepare(
      mask: masks.height, input: geometry.inputHeight, offset: geometry.offsetY,
      content: contentHeight, image: contentHeight)

    let contentStride = ClassRowMerger.rowLength(geometry)
    let paddedClasses = roundedUp(classes, to: ClassRowMerger.classBlock)
    let weights = weights.reserve(queries * paddedClasses)
    for query in 0..<queries {
      for index in 0..<paddedClasses {
        weights[query * paddedClasses + index] =
          index < classes ? classProbabilities[query * classes + index] / Float(passes) : 0
      }
    }
    // A widened row may run over into the next by a vector.
    let widenedStride = contentStride + MaskSampler.lanes
    let widened = widenedMasks.reserve(queries * Self.heldMaskRows * widenedStride)
    let probabilities = maskProbabilities.reserve(queries * contentStride)

    var heldMasks = SIMD4<Int>(repeating: -1)
    /// Widens a row of every mask to the content's columns.
    func maskRow(_ row: Int) -> Int {
      let slot = row % Self.heldMaskRows
      if heldMasks[slot] != row {
        heldMasks[slot] = row
        for query in 0..<queries {
          maskColumns.widen(
            masks[query] + row * masks.width, origin: 0, range: 0..<contentStride,
            end: contentWidth,
            widened + (query * Self.heldMaskRows + slot) * widenedStride)
        }
      }
      return slot * widenedStride
    }

    /// Computes the class sums of a row of the content.
    func read(_ row: Int, _ sums: UnsafeMutablePointer<Float>) {
      let tap = maskRows.tap(at: row)
      let used = (0..<3).filter { tap.weights[$0] != 0 }
      let offsets = used.map { maskRow(tap.base + $0) }
      for query in 0..<queries {
        let rows = UnsafePointer(widened + query * Self.heldMaskRows * widenedStride)
        // One row is the sum of itself and nothing of itself.
        var blend = m2fp_post_row(
          a: rows + offsets[0], b: rows + offsets[used.count > 1 ? 1 : 0],
          c: used.count > 2 ? rows + offsets[2] : nil, weight_a: tap.weights[used[0]],
          weight_b: used.count > 1 ? tap.weights[used[1]] : 0,
          weight_c: used.count > 2 ? tap.weights[used[2]] : 0)
        m2fp_post_logistic_row(
          &blend, 0, Int32(contentStride), -.infinity, 1, probabilities + query * contentStride)
      }
      m2fp_post_sum_classes(
        probabilities, weights, Int32(queries), Int32(paddedClasses), Int32(contentStride), sums)
    }

    let chunkRows = ClassRowMerger.chunkRows(geometry)
    let width = geometry.imageWidth
    let imageStride = roundedUp(width, to: MaskSampler.lanes)
    merger.merge(geometry, classes: classes, rows: rows, labels: labels, read: read) { y, values in
      var same = m2fp_post_row(
        a: values, b: values, c: nil, weight_a: 1, weight_b: 0, weight_c: 0)
      m2fp_post_logistic_row(&same, 0, Int32(imageStride), -.infinity, 1, values)
      m2fp_post_sum_by_label(
        values, labels + y * width, Int32(width), totals + y / chunkRows * classes)
    }
  }
}
