import CPostprocess

/// Rows of the planes of a network's output, resized to the content of its input, or from there on to the
/// image: all columns of a few rows at a time.
struct PlaneRows: ~Copyable {
  /// What planes are resized to.
  enum Target { case content, image }

  private var columns = ResizeChain()
  private var rows = ResizeChain()
  private var widenedRows = ScratchBuffer<Float>()
  /// Which rows of the planes are held.
  private var held = SIMD4<Int>(repeating: -1)
  private var number = 0
  private var width = 0
  private var height = 0
  private var rowWidth = 0
  private var rowStride = 0

  /// Widened rows held a plane; a row of the target needs at most three.
  private static let heldRows = 4

  /// Gets ready for an image.
  ///
  /// - Parameters:
  ///   - number: How many planes there are.
  ///   - width: Of a plane, at least 3.
  ///   - height: Of a plane, at least 3.
  ///   - geometry: Where the image lies in the network's input.
  ///   - alignsCorners: How planes lie over the input.
  ///   - target: What they are resized to.
  mutating func prepare(
    _ number: Int, width: Int, height: Int, geometry: NetworkGeometry, alignsCorners: Bool = false,
    to target: Target = .content
  ) {
    (self.number, self.width, self.height) = (number, width, height)
    let isImage = target == .image
    rowWidth = isImage ? geometry.imageWidth : geometry.contentWidth
    rowStride = roundedUp(rowWidth, to: MaskSampler.lanes)
    columns.prepare(
      mask: width, input: geometry.inputWidth, offset: geometry.offsetX,
      content: geometry.contentWidth, image: rowWidth, alignsCorners: alignsCorners,
      warp: isImage ? geometry.warpedColumns : nil)
    rows.prepare(
      mask: height, input: geometry.inputHeight, offset: geometry.offsetY,
      content: geometry.contentHeight,
      image: isImage ? geometry.imageHeight : geometry.contentHeight, alignsCorners: alignsCorners,
      warp: isImage ? geometry.warpedRows : nil)
    held = SIMD4(repeating: -1)
  }

  /// Reads a row of the target.
  ///
  /// - Parameters:
  ///   - row: Its number.
  ///   - planes: `number × height × width` values, the same for all rows of an image.
  ///   - body: Called for each plane, with its number and what its row is made of: whole vectors of
  ///     values.
  mutating func read(
    _ row: Int, of planes: UnsafePointer<Float>,
    _ body: (_ plane: Int, _ row: m2fp_post_row) -> Void
  ) {
    // A widened row may run over into the next by a vector.
    let stride = rowStride + MaskSampler.lanes
    let widened = widenedRows.reserve(number * Self.heldRows * stride)
    let tap = rows.tap(at: row)
    let used = (0..<3).filter { tap.weights[$0] != 0 }
    for place in used {
      let source = tap.base + place
      guard held[source % Self.heldRows] != source else { continue }
      held[source % Self.heldRows] = source
      for plane in 0..<number {
        columns.widen(
          planes + (plane * height + source) * width, origin: 0, range: 0..<rowStride,
          end: rowWidth,
          widened + (plane * Self.heldRows + source % Self.heldRows) * stride)
      }
    }
    let offsets = used.map { (tap.base + $0) % Self.heldRows * stride }
    for plane in 0..<number {
      let start = UnsafePointer(widened + plane * Self.heldRows * stride)
      // One row is the sum of itself and nothing of itself.
      body(
        plane,
        m2fp_post_row(
          a: start + offsets[0], b: start + offsets[used.count > 1 ? 1 : 0],
          c: used.count > 2 ? start + offsets[2] : nil, weight_a: tap.weights[used[0]],
          weight_b: used.count > 1 ? tap.weights[used[1]] : 0,
          weight_c: used.count > 2 ? tap.weights[used[2]] : 0))
    }
  }
}
