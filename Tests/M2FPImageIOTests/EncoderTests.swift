import M2FPCore
import M2FPImageIO
import Testing

@Suite struct EncoderTests {
  @Test func colourRoundTripIsExact() throws {
    let image = RGBImage(
      width: 37, height: 23, pixels: (0..<(37 * 23 * 3)).map { UInt8(truncatingIfNeeded: $0 * 7) })
    let file = try PNGEncoder.rgb(image)
    let decoded = try file.withUnsafeBytes { bytes in try ImageDecoder.decode(bytes) }
    #expect(decoded.image == image)
    #expect(decoded.format == .png)
    #expect(decoded.warnings.isEmpty)
  }
}
