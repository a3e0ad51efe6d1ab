import ArgumentParser
import M2FPCore

/// A time span on the command line: "90" or "90s", "30m", "8h", "2d".
struct TimeSpan: ExpressibleByArgument, Equatable {
  let duration: Duration

  init?(argument: String) {
    let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
    guard let seconds = scaled(argument, by: units), seconds > 0, seconds < 1e9 else { return nil }
    duration = .seconds(seconds)
  }
}

/// A number of bytes on the command line: "500M", "10G"; powers of 1024, as in ls and du.
extension ByteCount: ExpressibleByArgument {
  /// In the largest unit that it is a whole number of.
  public var defaultValueDescription: String {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")]
    where bytes > 0 && bytes % (1 << shift) == 0 {
      return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)"
  }

  public init?(argument: String) {
    let units: [Character: Double] = ["K": 0x1p10, "M": 0x1p20, "G": 0x1p30, "T": 0x1p40]
    guard let bytes = scaled(argument.uppercased(), by: units), bytes >= 0, bytes < 0x1p62 else {
      return nil
    }
    self.init(Int(bytes))
  }
}

/// Pixels on the command line, or a share of something: `400` or `0.5%`.
enum Amount: ExpressibleByArgument, Equatable {
  case pixels(Int)
  /// 0 to 1.
  case share(Double)

  init?(argument: String) {
    if argument.hasSuffix("%") {
      guard let percent = Double(argument.dropLast()), (0...100).contains(percent) else {
        return nil
      }
      self = .share(percent / 100)
    } else {
      guard let pixels = Int(argument), pixels >= 0 else { return nil }
      self = .pixels(pixels)
    }
  }
}

/// The number at the start of `text`, times the unit at its end if there is one.
private func scaled(_ text: String, by units: [Character: Double]) -> Double? {
  guard let last = text.last,
    text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "." || units[$0] != nil) })
  else { return nil }
  if let unit = units[last] { return Double(text.dropLast()).map { $0 * unit } }
  return Double(text)
}
