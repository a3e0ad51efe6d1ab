import CPostprocess

extension BitMask {
  /// How much of each pixel belongs to the mask, by the colours of the photo at its edges.
  ///
  /// The mask is smoothed by a guided filter with the grey photo (He, Sun, Tang: Guided Image Filtering,
  /// 2010), which follows hair and cloth in a few pixels round the edge; deep inside it is 255, far outside
  /// 0.
  ///
  /// - Parameter photo: An image of the mask's size.
  /// - Returns: The coverage, 0 to 255.
  public func softened(by photo: RGBImage) -> Stencil {
    precondition(width == photo.width && height == photo.height)
    var coverage = pixels.map { $0 ? 255 : 0 as UInt8 }
    guard let box else { return Stencil(width: width, height: height, pixels: coverage) }
    // About a cell of the network's masks, in pixels of the photo.
    let radius = min(max(2, max(width, height) / 200), Int(M2FP_POST_LANES))
    let reach = 2 * radius
    let columns = max(0, box.x - reach)..<min(width, box.x + box.width + reach)
    let end = min(height, box.y + box.height + reach)
    var planes = ScratchBuffer<Float>()
    var memory = ScratchBuffer<Float>()
    // Not the whole at once, whose planes would take many times the photo's memory.
    for top in Swift.stride(from: max(0, box.y - reach), to: end, by: Self.bandHeight) {
      let rows = top..<min(end, top + Self.bandHeight)
      let seen = max(0, rows.lowerBound - reach)..<min(height, rows.upperBound + reach)
      soften(&coverage, rows: rows, columns: columns, seen: seen, photo, radius, &planes, &memory)
    }
    return Stencil(width: width, height: height, pixels: coverage)
  }

  private static var bandHeight: Int { 128 }
  /// What is added to the variance of grey levels (0 to 1) within a window: edges below its root, 3 %, are
  /// noise.
  private static var epsilon: Float { 0.001 }
  /// Coverage below this, and above 1 less this, is the filter's spill.
  private static var spill: Float { 0.1 }

  /// Filters some rows, with what is `seen` round them.
  private func soften(
    _ coverage: inout [UInt8], rows: Range<Int>, columns: Range<Int>, seen: Range<Int>,
    _ photo: RGBImage, _ radius: Int, _ planes: inout ScratchBuffer<Float>,
    _ memory: inout ScratchBuffer<Float>
  ) {
    let stride = roundedUp(columns.count, to: Int(M2FP_POST_LANES))
    let size = stride * seen.count
    let grey = planes.reserve(5 * size)
    let (values, result) = (grey + 3 * size, grey + 4 * size)
    grey.update(repeating: 0, count: 5 * size)
    var guide = m2fp_post_guide(
      picture: grey, means: grey + size, spreads: grey + 2 * size, width: Int32(columns.count),
      height: Int32(seen.count), stride: Int32(stride), radius: Int32(radius))
    let scratch = memory.reserve(m2fp_post_guide_memory(&guide))
    for (line, y) in seen.enumerated() {
      for (column, x) in columns.enumerated() {
        let pixel = y * width + x
        grey[line * stride + column] = Float(photo.grey(pixel)) / 255
        values[line * stride + column] = pixels[pixel] ? 1 : 0
      }
    }
    m2fp_post_prepare_guide(&guide, Self.epsilon, scratch)
    _ = m2fp_post_guided_filter(
      &guide,
      m2fp_post_area(left: 0, top: 0, right: Int32(columns.count), bottom: Int32(seen.count)),
      values, result, scratch)
    for y in rows {
      for (column, x) in columns.enumerated() {
        let share =
          (result[(y - seen.lowerBound) * stride + column] - Self.spill) / (1 - 2 * Self.spill)
        coverage[y * width + x] = UInt8(min(max(share, 0), 1) * 255 + 0.5)
      }
    }
  }
}
