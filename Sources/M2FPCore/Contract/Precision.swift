/// The arithmetic of a network's products.
public enum Precision: String, Sendable, Codable, CaseIterable {
  /// Single precision throughout: what results are exact in.
  case float32
  /// Linear layers and 1×1 convolutions in integers of 16 bits, with a scale for each pixel and each
  /// output channel; the rest in single precision. Faster; a few pixels in ten thousand change.
  case int16
}
