/// A borrowed view of what the network returned for one image: tensors, whose meaning the contract
/// tells.
///
/// The buffers belong to the session and live until its next run; a view is never stored.
public struct NetworkOutput {
  /// One tensor.
  public struct Tensor {
    public let shape: [Int]
    /// As many as the product of ``shape``; the last index runs fastest.
    public let values: UnsafeBufferPointer<Float>

    public init(shape: [Int], values: UnsafeBufferPointer<Float>) {
      precondition(values.count == shape.reduce(1, *), "a tensor has as many values as its shape")
      self.shape = shape
      self.values = values
    }

    /// The shape in words.
    var sizes: String {
      shape.isEmpty ? "one value" : shape.map(String.init).joined(separator: "×")
    }
  }

  public let tensors: [Tensor]

  public init(tensors: [Tensor]) {
    self.tensors = tensors
  }

  /// The failure of a network that does not return what its contract promises.
  static func broken(_ what: String) -> FileFailure {
    FileFailure(
      stage: .infer, code: .inference, message: "the network \(what): export the model anew")
  }
}

extension NetworkOutput.Tensor {
  /// The largest of the values, whatever their signs.
  ///
  /// - Returns: That; 0 where there are none.
  /// - Throws: ``FileFailure`` of stage `infer` where one is no number, or infinite: a network that
  ///   lost its numbers finds nobody, which is no result.
  func magnitude() throws(FileFailure) -> Float {
    // Without the sign, numbers are in the order of their bits, and what is none comes last.
    let bytes = UnsafeRawBufferPointer(values)
    let mask = UInt32(Int32.max)
    var lanes = SIMD16<UInt32>()
    let whole = values.count / 16
    for index in 0..<whole {
      let bits = bytes.loadUnaligned(fromByteOffset: index * 64, as: SIMD16<UInt32>.self)
      lanes = pointwiseMax(lanes, bits & mask)
    }
    let largest = values[(whole * 16)...].reduce(lanes.max()) { max($0, $1.bitPattern & mask) }
    guard largest < Float.infinity.bitPattern else {
      throw FileFailure(
        stage: .infer, code: .inference,
        message: "the network returned values that are no numbers: its weights are damaged, or "
          + "preprocess.mean and preprocess.std of its contract are not those that it takes")
    }
    return Float(bitPattern: largest)
  }
}
