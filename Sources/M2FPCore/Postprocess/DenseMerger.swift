import CPostprocess

/// Merger of the logits of a dense network: resized to its input, the padding cut off, resized to the
/// image, and of the classes the one with the highest (``ClassRowMerger``). Both steps are bilinear.
struct DenseMerger: ~Copyable {
  private var logitRows = PlaneRows()
  private var chances = ScratchBuffer<Float>()
  /// For each column of the image, the place in a row of logits that is nearest.
  private var places: [Int] = []

  /// Reads one image's output.
  ///
  /// - Parameters:
  ///   - output: The logits.
  ///   - geometry: Where the image lay in the network's input.
  ///   - rules: How they lie there.
  ///   - persons: Whether to take what is found for a person; nil for no persons.
  ///   - team: The threads.
  /// - Returns: The result at the image's own size. A class's score is the mean of its softmax over its
  ///   pixels, each taken at the nearest place.
  /// - Throws: ``FileFailure`` of stage `infer` where a logit is no number.
  static func parse(
    _ output: DenseOutput, _ geometry: NetworkGeometry, rules: ModelContract.DenseRules,
    persons: PersonRules?, team: ThreadTeam<Workspace>
  ) throws(FileFailure) -> ParsingResult {
    let magnitude = try output.magnitude()
    return ClassRowMerger.parse(
      geometry, classes: output.classes, persons: persons, team: team,
      score: { total, count in Float(total / Double(count)) }
    ) { memory, rows, labels, totals in
      memory.dense.merge(
        output, geometry, rules: rules, magnitude: magnitude, rows: rows,
        merger: &memory.rowMerger, labels: labels, totals: totals)
    }
  }

  private mutating func merge(
    _ output: DenseOutput, _ geometry: NetworkGeometry, rules: ModelContract.DenseRules,
    magnitude: Float, rows imageRows: Chunks, merger: inout ClassRowMerger,
    labels: UnsafeMutablePointer<UInt8>, totals: UnsafeMutablePointer<Double>
  ) {
    guard let logits = output.logits.baseAddress else { preconditionFailure("there are logits") }
    let (classes, width, height) = (output.classes, output.width, output.height)
    let (contentWidth, contentHeight) = (geometry.contentWidth, geometry.contentHeight)
    logitRows.prepare(
      classes, width: width, height: height, geometry: geometry, alignsCorners: rules.alignsCorners)

    /// Computes the logits of a row of the content.
    func read(_ row: Int, _ values: UnsafeMutablePointer<Float>) {
      let contentStride = ClassRowMerger.rowLength(geometry)
      logitRows.read(row, of: logits) { index, row in
        var row = row
        m2fp_post_blend_row(&row, 0, Int32(contentStride), values + index * contentStride)
      }
    }

    let imageWidth = geometry.imageWidth
    places.removeAll(keepingCapacity: true)
    for x in 0..<imageWidth {
      places.append(
        Self.nearest(
          x, image: imageWidth, content: contentWidth, offset: geometry.offsetX,
          input: geometry.inputWidth, places: width, warp: geometry.warpedColumns))
    }
    let chances = chances.reserve(classes * width)
    var chancesRow = -1
    let chunkRows = ClassRowMerger.chunkRows(geometry)
    merger.merge(
      geometry, classes: classes, rows: imageRows, labels: labels, magnitude: magnitude, read: read
    ) { y, _ in
      let row = Self.nearest(
        y, image: geometry.imageHeight, content: contentHeight, offset: geometry.offsetY,
        input: geometry.inputHeight, places: height, warp: geometry.warpedRows)
      if row != chancesRow {
        chancesRow = row
        Self.softmax(logits + row * width, plane: width * height, classes, width, chances)
      }
      let (line, sums) = (labels + y * imageWidth, totals + y / chunkRows * classes)
      for x in 0..<imageWidth {
        let label = Int(line[x])
        sums[label] += Double(chances[label * width + places[x]])
      }
    }
  }

  /// The place of the grid that is nearest to a pixel of the image, along one axis.
  private static func nearest(
    _ index: Int, image: Int, content: Int, offset: Int, input: Int, places: Int, warp: AffineAxis?
  ) -> Int {
    // Parts of a pixel of the input, so that whole numbers do.
    let (position, parts) =
      if let warp {
        (2 * warp.position(of: index) + AffineAxis.parts, 2 * AffineAxis.parts)
      } else {
        ((2 * index + 1) * content, 2 * image)
      }
    return min((offset * parts + position) * places / (parts * input), places - 1)
  }

  /// The softmax over the classes of a row of logits.
  private static func softmax(
    _ logits: UnsafePointer<Float>, plane: Int, _ classes: Int, _ width: Int,
    _ chances: UnsafeMutablePointer<Float>
  ) {
    for x in 0..<width {
      var largest = logits[x]
      for index in 1..<classes { largest = max(largest, logits[index * plane + x]) }
      var sum: Float = 0
      for index in 0..<classes {
        let value = m2fp_post_exp(logits[index * plane + x] - largest)
        chances[index * width + x] = value
        sum += value
      }
      for index in 0..<classes { chances[index * width + x] /= sum }
    }
  }
}
