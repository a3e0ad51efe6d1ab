/// A borrowed view of what the network returned for one image.
///
/// The buffers belong to the session and live until its next run; a view is never stored.
public struct NetworkOutput {
  /// The number of queries, Q.
  public let queries: Int
  /// The number of class logits a query, "no object" (the last) included.
  public let classes: Int
  /// The size of each mask: the network's input size over 4.
  public let maskWidth: Int
  public let maskHeight: Int
  /// `queries × classes` values.
  public let classLogits: UnsafeBufferPointer<Float>
  /// `queries × maskHeight × maskWidth` values.
  public let maskLogits: UnsafeBufferPointer<Float>

  /// Whether all values are numbers, and none is infinite.
  public var isFinite: Bool { Self.areFinite(classLogits) && Self.areFinite(maskLogits) }

  private static func areFinite(_ values: UnsafeBufferPointer<Float>) -> Bool {
    // Of a number, 0 times it is 0: sums of sixteen tell at once, in any order.
    let bytes = UnsafeRawBufferPointer(values)
    var sums = SIMD16<Float>()
    let whole = values.count / 16
    for index in 0..<whole {
      sums += bytes.loadUnaligned(fromByteOffset: index * 64, as: SIMD16<Float>.self) * 0
    }
    return sums == SIMD16() && values[(whole * 16)...].allSatisfy(\.isFinite)
  }

  public init(
    queries: Int, classes: Int, maskWidth: Int, maskHeight: Int,
    classLogits: UnsafeBufferPointer<Float>, maskLogits: UnsafeBufferPointer<Float>
  ) {
    precondition(classLogits.count == queries * classes)
    precondition(maskLogits.count == queries * maskWidth * maskHeight)
    self.queries = queries
    self.classes = classes
    self.maskWidth = maskWidth
    self.maskHeight = maskHeight
    self.classLogits = classLogits
    self.maskLogits = maskLogits
  }
}
