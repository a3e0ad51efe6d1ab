import CPostprocess

/// A mask, and the part of the image outside of which it is at or below a threshold.
struct MaskExtent {
  fileprivate let logits: UnsafePointer<Float>
  fileprivate let slot: Int
  let rows: Range<Int>
  let columns: Range<Int>
  var isEmpty: Bool { rows.isEmpty || columns.isEmpty }

  /// Whether the region reaches into a rectangle of the image.
  func meets(_ rows: Range<Int>, _ columns: Range<Int>) -> Bool {
    self.rows.overlaps(rows) && self.columns.overlaps(columns)
  }
}

/// Brings masks to the image's size, a row at a time and only where they may matter.
///
/// A mask is never held at full size. Its cells are widened to the image's width once each, three
/// rows at a time, and image rows are weighted sums of those. An interpolated value never exceeds
/// the largest cell it is made of, so where all cells are at or below a threshold nothing is done.
struct MaskSampler: ~Copyable {
  /// Pixels a vector holds; rows are handed out in multiples of it.
  static let lanes = Int(M2FP_POST_LANES)
  /// The widest strip that ``forEachRow(of:rows:columns:_:)`` takes: what it works on fits the L1
  /// cache.
  static let stripWidth = 1024

  private var horizontal = ResizeChain()
  private var vertical = ResizeChain()
  private var maskWidth = 0
  private var maskStride = 0
  private var maskHeight = 0
  private var widened = ScratchBuffer<Float>()
  /// For each row of a mask, the columns that exceed its region's threshold.
  private var spans = ScratchBuffer<m2fp_post_span>()

  /// Sets the sizes for the next image, and room for `regions` regions at a time.
  mutating func prepare(_ masks: Masks, regions: Int) {
    precondition(3 <= masks.stride, "rows of masks have at least 3 values")
    let geometry = masks.geometry
    horizontal.prepare(
      mask: masks.width, input: geometry.inputWidth, offset: geometry.offsetX,
      content: geometry.contentWidth, image: geometry.imageWidth)
    vertical.prepare(
      mask: masks.height, input: geometry.inputHeight, offset: geometry.offsetY,
      content: geometry.contentHeight, image: geometry.imageHeight)
    maskWidth = masks.width
    maskStride = masks.stride
    maskHeight = masks.height
    _ = spans.reserve(max(regions, 1) * maskHeight)
    _ = widened.reserve(Self.widenedRows * Self.widenedStride)
  }

  /// Finds where a mask may exceed `threshold`.
  ///
  /// - Parameters:
  ///   - logits: The mask's cells; they must stay valid while the region is used.
  ///   - threshold: Values up to this are of no interest.
  ///   - slot: Which of the prepared regions to fill; the one that was there becomes invalid.
  /// - Returns: The region, empty if the mask never exceeds the threshold.
  mutating func region(
    of logits: UnsafePointer<Float>, above threshold: Float, slot: Int
  ) -> MaskExtent {
    let spans = spans.reserve((slot + 1) * maskHeight) + slot * maskHeight
    var all = m2fp_post_span.empty
    var firstRow = Int.max
    var lastRow = -1
    for y in 0..<maskHeight {
      spans[y] = m2fp_post_find_span(logits + y * maskStride, Int32(maskWidth), threshold)
      if spans[y].last >= 0 {
        firstRow = min(firstRow, y)
        lastRow = y
        all.formUnion(spans[y])
      }
    }
    guard lastRow >= 0 else {
      return MaskExtent(logits: logits, slot: slot, rows: 0..<0, columns: 0..<0)
    }
    return MaskExtent(
      logits: logits, slot: slot,
      rows: vertical.positions(using: firstRow, through: lastRow),
      columns: horizontal.positions(using: Int(all.first), through: Int(all.last)))
  }

  /// Four rows, so that the three that an image row needs never push one another out.
  private static let widenedRows = 4
  private static let widenedStride = stripWidth + lanes

  /// Walks the rows of a region within a rectangle of the image.
  ///
  /// - Parameters:
  ///   - region: The mask.
  ///   - rows: Rows of the image.
  ///   - columns: Columns of the image, at most ``stripWidth``.
  ///   - body: Called for each row that may exceed the region's threshold, top to bottom, with the
  ///     row's number, a range of columns relative to `columns.lowerBound` whose bounds are multiples
  ///     of ``lanes``, and the row, indexed like the range. Outside of the range the mask does not
  ///     exceed the threshold. Past the end of `columns` the values are hugely negative.
  mutating func forEachRow(
    of region: MaskExtent, rows: Range<Int>, columns: Range<Int>,
    _ body: (_ y: Int, _ range: Range<Int>, _ row: inout m2fp_post_row) -> Void
  ) {
    let rows = rows.clamped(to: region.rows)
    if rows.isEmpty || columns.clamped(to: region.columns).isEmpty { return }
    precondition(columns.count <= Self.stripWidth)
    let spans = spans.reserve((region.slot + 1) * maskHeight) + region.slot * maskHeight
    let widened = widened.reserve(Self.widenedRows * Self.widenedStride)
    var present = SIMD4<Int32>(repeating: -1)

    for y in rows {
      let tap = vertical.tap(at: y)
      var sources: (Int, Int, Int) = (0, 0, 0)
      var weights = SIMD4<Float>()
      var count = 0
      var span = m2fp_post_span.empty
      for k in 0..<3 where tap.weights[k] != 0 {
        let source = tap.base + k
        switch count {
        case 0: sources.0 = source
        case 1: sources.1 = source
        default: sources.2 = source
        }
        weights[count] = tap.weights[k]
        count += 1
        span.formUnion(spans[source])
      }
      let range = strip(span, columns)
      if range.isEmpty { continue }

      func widenedRow(_ source: Int) -> UnsafePointer<Float> {
        let slot = source % Self.widenedRows
        let target = widened + slot * Self.widenedStride
        if present[slot] != Int32(source) {
          present[slot] = Int32(source)
          // Wide enough for every image row that may use this one together with its neighbours.
          var reach = m2fp_post_span.empty
          for neighbour in max(0, source - 2)...min(maskHeight - 1, source + 2) {
            reach.formUnion(spans[neighbour])
          }
          horizontal.widen(
            region.logits + source * maskStride, origin: columns.lowerBound,
            range: strip(reach, columns), end: columns.count, target)
        }
        return UnsafePointer(target)
      }
      let first = widenedRow(sources.0)
      // One row is the sum of itself and nothing of itself.
      var row = m2fp_post_row(
        a: first, b: count > 1 ? widenedRow(sources.1) : first,
        c: count > 2 ? widenedRow(sources.2) : nil, weight_a: weights[0], weight_b: weights[1],
        weight_c: weights[2])
      body(y, range, &row)
    }
  }

  /// The rows of a mask that ``readRow(of:y:columns:rows:_:)`` has widened last.
  struct WidenedRows {
    fileprivate let memory: UnsafeMutablePointer<Float>
    fileprivate let stride: Int
    fileprivate var held = SIMD4<Int32>(repeating: -1)

    /// - Parameters:
    ///   - memory: Room for ``count`` rows.
    ///   - stride: Values a row: the image's width and ``MaskSampler/lanes`` more.
    init(_ memory: UnsafeMutablePointer<Float>, stride: Int) {
      self.memory = memory
      self.stride = stride
    }

    static let count = widenedRows
  }

  /// Computes a stretch of one row of a mask, wherever it may exceed a threshold.
  ///
  /// - Parameters:
  ///   - region: The mask.
  ///   - y: The row of the image.
  ///   - columns: The columns of the image, the same for all rows of a mask.
  ///   - rows: The mask's widened rows.
  ///   - target: Gets the values, column 0 first, and up to ``lanes`` more than are asked for.
  func readRow(
    of region: MaskExtent, y: Int, columns: Range<Int>, rows: inout WidenedRows,
    _ target: UnsafeMutablePointer<Float>
  ) {
    let tap = vertical.tap(at: y)
    var row = m2fp_post_row(
      a: UnsafePointer(rows.memory), b: UnsafePointer(rows.memory), c: nil, weight_a: 0,
      weight_b: 0, weight_c: 0)
    var count = 0
    for k in 0..<3 where tap.weights[k] != 0 {
      let source = tap.base + k
      let slot = source % Self.widenedRows
      let widened = rows.memory + slot * rows.stride
      if rows.held[slot] != Int32(source) {
        rows.held[slot] = Int32(source)
        horizontal.widen(
          region.logits + source * maskStride, origin: 0, range: columns, end: columns.upperBound,
          widened)
      }
      switch count {
      case 0:
        (row.a, row.b, row.weight_a) = (
          UnsafePointer(widened), UnsafePointer(widened), tap.weights[k]
        )
      case 1: (row.b, row.weight_b) = (UnsafePointer(widened), tap.weights[k])
      default: (row.c, row.weight_c) = (UnsafePointer(widened), tap.weights[k])
      }
      count += 1
    }
    m2fp_post_blend_row(&row, Int32(columns.lowerBound), Int32(columns.upperBound), target)
  }

  /// The columns of a strip, relative to its start and in whole vectors, that use a span's cells.
  private func strip(_ span: m2fp_post_span, _ columns: Range<Int>) -> Range<Int> {
    if span.last < 0 { return 0..<0 }
    let used = horizontal.positions(using: Int(span.first), through: Int(span.last))
      .clamped(to: columns)
    if used.isEmpty { return 0..<0 }
    let start = (used.lowerBound - columns.lowerBound) / Self.lanes * Self.lanes
    let end = (used.upperBound - columns.lowerBound + Self.lanes - 1) / Self.lanes * Self.lanes
    return start..<end
  }
}

extension m2fp_post_span {
  fileprivate static let empty = m2fp_post_span(first: .max, last: -1)

  fileprivate mutating func formUnion(_ other: m2fp_post_span) {
    first = min(first, other.first)
    last = max(last, other.last)
  }
}
