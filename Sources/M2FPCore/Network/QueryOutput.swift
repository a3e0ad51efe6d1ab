/// What a network of queries returned: for each query logits of classes, and a mask.
package struct QueryOutput {
  /// The number of queries, Q.
  package let queries: Int
  /// The number of class logits a query, "no object" (the last) included.
  package let classes: Int
  package let maskWidth: Int
  package let maskHeight: Int
  /// `queries × classes` values.
  package let classLogits: UnsafeBufferPointer<Float>
  /// `queries × maskHeight × maskWidth` values.
  package let maskLogits: UnsafeBufferPointer<Float>

  /// Reads tensors of `1 × Q × classes` and `1 × Q × height × width` values.
  ///
  /// - Parameters:
  ///   - output: What the network returned.
  ///   - contract: What it promises; its classes and `postprocess.mode` say which shapes there are to
  ///     be.
  ///   - geometry: Masks are at least 3 × 3 and at most as large as the network's input.
  /// - Throws: ``FileFailure`` of stage `infer` that names the field of the contract that is broken.
  package init(
    _ output: NetworkOutput, contract: ModelContract, geometry: NetworkGeometry
  ) throws(FileFailure) {
    let mode = contract.postprocess.mode.rawValue
    guard output.tensors.count == 2 else {
      throw NetworkOutput.broken(
        "returns \(output.tensors.count) tensors, and postprocess.mode '\(mode)' takes two")
    }
    let (logits, masks) = (output.tensors[0], output.tensors[1])
    let wanted = contract.networkClasses
    guard logits.shape.count == 3, logits.shape[0] == 1, logits.shape[1] > 0 else {
      throw NetworkOutput.broken(
        "returns class logits of \(logits.sizes), and postprocess.mode '\(mode)' takes "
          + "1×Q×\(wanted)")
    }
    guard logits.shape[2] == wanted else {
      throw NetworkOutput.broken(
        "returns \(logits.shape[2]) classes, and its contract's classes make \(wanted) with "
          + "\(contract.humanIndex == nil ? "" : "the human and ")\"no object\"")
    }
    let queries = logits.shape[1]
    guard masks.shape.count == 4, masks.shape[0] == 1, masks.shape[1] == queries,
      3 <= masks.shape[2], masks.shape[2] <= geometry.inputHeight,
      3 <= masks.shape[3], masks.shape[3] <= geometry.inputWidth
    else {
      throw NetworkOutput.broken(
        "returns masks of \(masks.sizes) for an input of "
          + "\(geometry.inputWidth)×\(geometry.inputHeight), and postprocess.mode '\(mode)' takes "
          + "1×\(queries)×height×width")
    }
    self.queries = queries
    classes = wanted
    maskWidth = masks.shape[3]
    maskHeight = masks.shape[2]
    classLogits = logits.values
    maskLogits = masks.values
  }
}
