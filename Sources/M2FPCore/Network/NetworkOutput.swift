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

  /// Whether all values are numbers, and none is infinite.
  public var isFinite: Bool { tensors.allSatisfy { Self.areFinite($0.values) } }

  /// The failure of a network that does not return what its contract promises.
  static func broken(_ what: String) -> FileFailure {
    FileFailure(
      stage: .infer, code: .inference, message: "the network \(what): export the model anew")
  }

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
}
