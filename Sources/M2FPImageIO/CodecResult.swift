import CImageCodec
import M2FPCore

extension m2fp_image_result {
  /// The C library's own words on the failure.
  var reason: String { withUnsafeBytes(of: message, Self.text) }

  /// What the library found odd, at most one line: the first warning and how many there were.
  var warnings: [String] {
    guard warning_count > 0 else { return [] }
    let first = withUnsafeBytes(of: first_warning, Self.text)
    return [warning_count == 1 ? first : "\(first) (the first of \(warning_count) warnings)"]
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> String {
    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
