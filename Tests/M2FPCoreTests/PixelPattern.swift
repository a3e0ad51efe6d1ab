import Foundation
import M2FPCore
import TestSupport
import Testing

/// Pixels that Tests/Fixtures/images/make_fixtures.py makes as well (`pattern`).
func pixelPattern(width: Int, height: Int) -> RGBImage {
  var state = UInt32(width * 65_536 + height)
  let pixels = (0..<(width * height * 3)).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
  return RGBImage(width: width, height: height, pixels: pixels)
}

/// The CRC-32 of zlib and PNG, by which the script names its results.
func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  let table = (0..<UInt32(256)).map { index in
    (0..<8).reduce(index) { value, _ in value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
  }
  return ~bytes.reduce(0xFFFF_FFFF) { sum, byte in
    table[Int((sum ^ UInt32(byte)) & 255)] ^ (sum >> 8)
  }
}

/// What the script computed with Pillow, OpenCV and numpy.
struct NumericReferences: Decodable {
  struct Resize: Decodable, Sendable, CustomTestStringConvertible {
    let from: [Int]
    let to: [Int]
    let crc32: UInt32

    var testDescription: String { "\(from[0])×\(from[1]) to \(to[0])×\(to[1])" }
  }

  let resizes: [Resize]
  let warps: [Resize]
  let multi90x70short64: UInt32
  let single90x70into48x64: UInt32

  static func load() throws -> NumericReferences {
    try JSONDecoder().decode(
      NumericReferences.self, from: Fixtures.data("images/numeric-references.json"))
  }
}
