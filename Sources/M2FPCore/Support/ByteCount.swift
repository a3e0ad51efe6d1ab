/// Number of bytes, of a file or in memory, in powers of 1024 wherever people read or write it.
public struct ByteCount: Sendable, Hashable {
  public let bytes: Int

  public init(_ bytes: Int) {
    self.bytes = bytes
  }
}

extension ByteCount: CustomStringConvertible {
  /// "937 bytes", "1.25 MiB", "1301 MiB", "12 GiB": in the largest unit of which there are ten, or one of
  /// MiB; rounded up, so that what is said to be needed is enough.
  public var description: String {
    if bytes < 1 << 10 { return bytes == 1 ? "1 byte" : "\(bytes) bytes" }
    let units = [(40, 10, "TiB"), (30, 10, "GiB"), (20, 1, "MiB"), (10, 0, "KiB")]
    guard let (shift, _, unit) = units.first(where: { bytes >= $0.1 << $0.0 }) else {
      return "\(bytes) bytes"
    }
    let size = 1 << shift
    let (whole, rest) = bytes.quotientAndRemainder(dividingBy: size)
    if whole >= 10 { return "\(whole + (rest > 0 ? 1 : 0)) \(unit)" }
    let hundredths = whole * 100 + (rest * 100 + size - 1) / size
    var fraction = String(hundredths % 100 + 100).dropFirst()
    while fraction.last == "0" { fraction.removeLast() }
    return "\(hundredths / 100)\(fraction.isEmpty ? "" : "." + fraction) \(unit)"
  }
}
