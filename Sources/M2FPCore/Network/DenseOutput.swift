/// What a dense network returned: for each class logits at the places of a grid over its input.
package struct DenseOutput {
  package let classes: Int
  package let width: Int
  package let height: Int
  /// `classes × height × width` values.
  package let logits: UnsafeBufferPointer<Float>
  private let tensor: NetworkOutput.Tensor

  /// Reads a tensor of `1 × classes × height × width` values.
  ///
  /// - Parameters:
  ///   - output: What the network returned.
  ///   - contract: What it promises; its classes and `postprocess.stride` say which shape there is to
  ///     be.
  ///   - rules: Those of the contract.
  ///   - geometry: The grid has as many places as the network's input has strides, begun ones
  ///     included, and at least 3 × 3.
  /// - Throws: ``FileFailure`` of stage `infer` that names the field of the contract that is broken.
  package init(
    _ output: NetworkOutput, contract: ModelContract, rules: ModelContract.DenseRules,
    geometry: NetworkGeometry
  ) throws(FileFailure) {
    guard output.tensors.count == 1 else {
      throw NetworkOutput.broken(
        "returns \(output.tensors.count) tensors, and postprocess.mode 'dense' takes one")
    }
    let tensor = output.tensors[0]
    guard tensor.shape.count == 4, tensor.shape[0] == 1 else {
      throw NetworkOutput.broken(
        "returns logits of \(tensor.sizes), and postprocess.mode 'dense' takes "
          + "1×classes×height×width")
    }
    guard tensor.shape[1] == contract.classes.count else {
      throw NetworkOutput.broken(
        "returns \(tensor.shape[1]) classes, and its contract's classes are "
          + "\(contract.classes.count)")
    }
    func places(_ side: Int) -> Int { (side + rules.stride - 1) / rules.stride }
    let wanted = (width: places(geometry.inputWidth), height: places(geometry.inputHeight))
    guard tensor.shape[2] == wanted.height, tensor.shape[3] == wanted.width else {
      throw NetworkOutput.broken(
        "returns logits of \(tensor.shape[3])×\(tensor.shape[2]) for an input of "
          + "\(geometry.inputWidth)×\(geometry.inputHeight), and its contract's "
          + "postprocess.stride makes \(wanted.width)×\(wanted.height)")
    }
    guard wanted.width >= 3, wanted.height >= 3 else {
      throw NetworkOutput.broken(
        "returns logits of \(wanted.width)×\(wanted.height), and 3×3 are the least")
    }
    classes = tensor.shape[1]
    (width, height) = wanted
    logits = tensor.values
    self.tensor = tensor
  }

  /// The largest of the logits, whatever their signs.
  ///
  /// - Throws: ``FileFailure`` of stage `infer` where one is no number.
  func magnitude() throws(FileFailure) -> Float { try tensor.magnitude() }
}
