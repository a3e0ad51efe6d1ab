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

  @Test func blendsLongRunsLikeSinglePixels() {
    var random = SplitMix(state: 7)
    let (width, height) = (61, 40)
    // Runs of all lengths, so that whole vectors and their edges both occur.
    var classes: [UInt8] = []
    while classes.count < width * height {
      let label = UInt8.random(in: 0...3, using: &random)
      let length = Int.random(in: 1...50, using: &random)
      classes += [UInt8](repeating: label, count: length)
    }
    classes.removeLast(classes.count - width * height)
    let image = RGBImage(
      width: width, height: height,
      pixels: (0..<3 * width * height).map { _ in UInt8.random(in: 0...255, using: &random) })
    let palette = [RGB(1, 2, 3), RGB(255, 0, 128), RGB(255, 255, 255), RGB(0, 77, 0)]
    for opacity in [0.25, 0.5, 0.9, 1] as [Float] {
      let found = Overlay.blend(
        image, labels: LabelMap(width: width, height: height, labels: classes), palette: palette,
        opacity: opacity)
      for (pixel, label) in classes.enumerated() {
        let colour = palette[Int(label)]
        for (channel, value) in [colour.red, colour.green, colour.blue].enumerated() {
          let photo = Float(image.pixels[3 * pixel + channel])
          let expected = label == 0 ? photo : photo + (Float(value) - photo) * opacity
          #expect(abs(Float(found.pixels[3 * pixel + channel]) - expected) <= 1)
        }
      }
    }
  }
}
