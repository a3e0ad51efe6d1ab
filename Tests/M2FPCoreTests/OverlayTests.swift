import M2FPCore
import Testing

@Suite struct OverlayTests {
  private let image = RGBImage(width: 2, height: 1, pixels: [10, 20, 30, 100, 200, 255])
  private let palette = [RGB(255, 255, 255), RGB(200, 0, 255)]

  @Test func blendsAllButTheBackground() {
    let labels = LabelMap(width: 2, height: 1, labels: [0, 1])
    #expect(
      Overlay.blend(image, labels: labels, palette: palette).pixels
        == [10, 20, 30, 150, 100, 255])
    #expect(
      Overlay.blend(image, labels: labels, palette: palette, opacity: 1).pixels
        == [10, 20, 30, 200, 0, 255])
    #expect(Overlay.blend(image, labels: labels, palette: palette, opacity: 0) == image)
  }
}
