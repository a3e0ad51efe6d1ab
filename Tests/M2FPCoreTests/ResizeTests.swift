import M2FPCore
import Testing

/// Resizing, bit for bit against Pillow's `resize(BILINEAR)`.
@Suite struct ResizeTests {
  @Test func equalsPillow() throws {
    let references = try NumericReferences.load().resizes
    #expect(references.count >= 15)
    // One resizer for all sizes: its scratch memory must not leak from one into the next.
    let resizer = Resizer()
    for reference in references {
      let source = pixelPattern(width: reference.from[0], height: reference.from[1])
      let sum = resizer.withResized(source, width: reference.to[0], height: reference.to[1]) {
        pixels in
        #expect(pixels.count == reference.to[0] * reference.to[1] * 3)
        return crc32(UnsafeRawBufferPointer(pixels))
      }
      #expect(sum == reference.crc32, "\(reference.from) to \(reference.to)")
    }
  }

  @Test func sameSizeIsTheSamePicture() {
    let source = pixelPattern(width: 31, height: 17)
    let same = Resizer().withResized(source, width: 31, height: 17) { Array($0) }
    #expect(same == source.pixels)
  }

  @Test(arguments: [(0, 0), (255, 255)]) func flatStaysFlat(level: Int, expected: Int) {
    let source = RGBImage(
      width: 97, height: 61, pixels: Array(repeating: UInt8(level), count: 97 * 61 * 3))
    let resizer = Resizer()
    for (width, height) in [(40, 30), (200, 150), (1, 1)] {
      let levels = resizer.withResized(source, width: width, height: height) { Set($0) }
      #expect(levels == [UInt8(expected)])
    }
  }
}
