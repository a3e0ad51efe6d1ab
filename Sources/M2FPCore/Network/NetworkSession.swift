/// Runs a network on one image at a time.
///
/// A session belongs to the thread that made it; it is a protocol so that the batch layer is tested
/// without torch.
public protocol NetworkSession {
  /// Fills the network's input, runs it, and lends out what it returned.
  ///
  /// - Parameters:
  ///   - width: The input's width in pixels, a multiple of the contract's divisor.
  ///   - height: The input's height in pixels, a multiple of the contract's divisor.
  ///   - fill: Writes the input, `3 × height × width` values; what it does not write is undefined.
  ///   - body: Reads the output, which is gone when it returns.
  /// - Returns: What `body` returned.
  /// - Throws: A ``FileFailure`` of stage ``Stage/infer``, or what `body` throws.
  func run<Result>(
    width: Int, height: Int,
    fill: (UnsafeMutableBufferPointer<Float>) -> Void,
    body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result
}
