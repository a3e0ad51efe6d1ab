/// The masks of all queries, and where they lie in the image.
struct Masks {
  /// `queries × height × width` values, rows top to bottom.
  let logits: UnsafePointer<Float>
  let width: Int
  let height: Int
  var geometry: NetworkGeometry

  /// Cells a mask.
  var size: Int { width * height }

  /// The cells of one mask.
  subscript(query: Int) -> UnsafePointer<Float> { logits + query * size }
}
