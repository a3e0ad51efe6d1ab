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
