/// What a network returned for a picture and for its mirror image, put together as the output of one
/// run: masks or logits are mirrored back, and left and right classes exchanged. There are twice as many
/// queries then; logits of a dense network are the means of both.
///
/// Its memory is kept between images.
public final class MirroredPasses {
  private let contract: ModelContract
  private var classLogits = ScratchBuffer<Float>()
  private var maskLogits = ScratchBuffer<Float>()
  private var shapes: (classes: [Int], masks: [Int]) = ([], [])

  public init(contract: ModelContract) {
    self.contract = contract
  }

  /// Keeps what the network returned for the picture.
  ///
  /// - Parameters:
  ///   - output: Only read during the call.
  ///   - geometry: Where the image lay in the network's input.
  /// - Throws: ``FileFailure`` of stage `infer` where the output is not what the contract promises.
  public func keep(
    _ output: NetworkOutput, geometry: NetworkGeometry
  ) throws(FileFailure) {
    if case .dense(let rules) = contract.postprocess {
      let output = try DenseOutput(output, contract: contract, rules: rules, geometry: geometry)
      return copy(output.logits, to: maskLogits.reserve(output.logits.count))
    }
    let output = try QueryOutput(output, contract: contract, geometry: geometry)
    shapes = (
      [1, 2 * output.queries, output.classes],
      [1, 2 * output.queries, output.maskHeight, output.maskWidth]
    )
    copy(output.classLogits, to: classLogits.reserve(2 * output.classLogits.count))
    copy(output.maskLogits, to: maskLogits.reserve(2 * output.maskLogits.count))
  }

  private func copy(_ values: UnsafeBufferPointer<Float>, to target: UnsafeMutablePointer<Float>) {
    guard let source = values.baseAddress else { return }
    target.update(from: source, count: values.count)
  }

  /// Adds what the network returned for the mirror image of its input, and lends out both.
  ///
  /// - Parameters:
  ///   - output: Only read during the call.
  ///   - geometry: Where the image lay in the network's input before that was mirrored.
  ///   - body: Reads the output, which is gone when it returns.
  /// - Returns: What `body` returned.
  /// - Throws: ``FileFailure`` of stage `infer` where the output is not what the contract promises, or
  ///   is of another shape than the first; or what `body` throws.
  public func withBoth<Result>(
    mirrored output: NetworkOutput, geometry: NetworkGeometry,
    _ body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    if case .dense(let rules) = contract.postprocess {
      return try body(
        mean(
          mirrored: try DenseOutput(
            output, contract: contract, rules: rules, geometry: geometry)))
    }
    let output = try QueryOutput(output, contract: contract, geometry: geometry)
    guard shapes.masks == [1, 2 * output.queries, output.maskHeight, output.maskWidth] else {
      throw FileFailure(
        stage: .infer, code: .inference,
        message: "the network returns other shapes for the same picture mirrored")
    }
    let classLogits = classLogits.reserve(2 * output.classLogits.count)
    let maskLogits = maskLogits.reserve(2 * output.maskLogits.count)
    let mirrored = contract.mirroredClasses
    for query in 0..<output.queries {
      let source = output.classLogits[query * output.classes..<(query + 1) * output.classes]
      let target = classLogits + (output.queries + query) * output.classes
      for (index, logit) in source.enumerated() {
        target[index < mirrored.count ? mirrored[index] : index] = logit
      }
    }
    for row in 0..<output.queries * output.maskHeight {
      let source = output.maskLogits[row * output.maskWidth..<(row + 1) * output.maskWidth]
      let target = maskLogits + (output.queries * output.maskHeight + row) * output.maskWidth
      for (x, logit) in source.reversed().enumerated() { target[x] = logit }
    }
    return try body(
      NetworkOutput(tensors: [
        NetworkOutput.Tensor(
          shape: shapes.classes,
          values: UnsafeBufferPointer(
            start: classLogits, count: 2 * output.classLogits.count)),
        NetworkOutput.Tensor(
          shape: shapes.masks,
          values: UnsafeBufferPointer(start: maskLogits, count: 2 * output.maskLogits.count)),
      ]))
  }

  /// The means of the logits that are kept, which are of the same shape, and of others mirrored back.
  private func mean(mirrored output: DenseOutput) -> NetworkOutput {
    let (width, height) = (output.width, output.height)
    let logits = maskLogits.reserve(output.logits.count)
    for (index, other) in contract.mirroredClasses.enumerated() {
      for row in 0..<height {
        let start = (index * height + row) * width
        let source = output.logits[start..<start + width]
        let target = logits + (other * height + row) * width
        for (x, logit) in source.reversed().enumerated() { target[x] = (target[x] + logit) / 2 }
      }
    }
    return NetworkOutput(tensors: [
      NetworkOutput.Tensor(
        shape: [1, output.classes, height, width],
        values: UnsafeBufferPointer(start: logits, count: output.logits.count))
    ])
  }
}
