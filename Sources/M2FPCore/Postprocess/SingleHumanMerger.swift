import CPostprocess

/// Merger of the queries of a single-human model: for each class the sum over the queries of class
/// probability × mask probability at the network's size, resized to the image, and of the classes
/// the one with the highest sum (``ClassRowMerger``).
struct SingleHumanMerger: ~Copyable {
  private var maskRows = PlaneRows()
  private var maskProbabilities = ScratchBuffer<Float>()
  private var weights = ScratchBuffer<Float>()

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
    maskRows.prepare(
      queries, width: masks.width, height: masks.height, geometry: geometry)

    let contentStride = ClassRowMerger.rowLength(geometry)
    let paddedClasses = roundedUp(classes, to: ClassRowMerger.classBlock)
    let weights = weights.reserve(queries * paddedClasses)
    for query in 0..<queries {
      for index in 0..<paddedClasses {
        weights[query * paddedClasses + index] =
          index < classes ? classProbabilities[query * classes + index] / Float(passes) : 0
      }
    }
    let probabilities = maskProbabilities.reserve(queries * contentStride)

    /// Computes the class sums of a row of the content.
    func read(_ row: Int, _ sums: UnsafeMutablePointer<Float>) {
      maskRows.read(row, of: masks.logits) { query, row in
        var row = row
        m2fp_post_logistic_row(
          &row, 0, Int32(contentStride), -.infinity, 1, probabilities + query * contentStride)
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
