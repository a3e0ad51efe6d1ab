/// The masks of all queries, and where they lie in the image.
struct Masks {
  /// `queries × height` rows of `stride` values, the first `width` of which are cells, top to bottom.
  let logits: UnsafePointer<Float>
  let width: Int
  let height: Int
  /// At least 3 values a row.
  let stride: Int
  let geometry: NetworkGeometry

  init(
    logits: UnsafePointer<Float>, width: Int, height: Int, stride: Int? = nil,
    geometry: NetworkGeometry
  ) {
    self.logits = logits
    self.width = width
    self.height = height
    self.stride = stride ?? width
    self.geometry = geometry
  }

  /// The same masks for an image of the content's size.
  var atContentSize: Masks {
    Masks(
      logits: logits, width: width, height: height, stride: stride,
      geometry: geometry.atContentSize)
  }

  /// Values a mask.
  var size: Int { stride * height }

  /// The cells of one mask.
  subscript(query: Int) -> UnsafePointer<Float> { logits + query * size }
}
