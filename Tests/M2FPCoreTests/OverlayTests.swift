import M2FPCore
import TestSupport
import Testing

@Suite struct OverlayTests {
  private let image = RGBImage(width: 2, height: 1, pixels: [10, 20, 30, 100, 200, 255])
  private let palette = [RGB(255, 255, 255), RGB(200, 0, 255)]

  @Test func blendsAllButTheBackground() {
    let labels = LabelMap(width: 2, height: 1, pixels: [0, 1])
    #expect(
      Overlay.blend(image, labels: labels, palette: palette).pixels
        == [10, 20, 30, 150, 100, 255])
    #expect(
      Overlay.blend(image, labels: labels, palette: palette, opacity: 1).pixels
        == [10, 20, 30, 200, 0, 255])
    #expect(Overlay.blend(image, labels: labels, palette: palette, opacity: 0) == image)
  }

  @Test func blendsLongRunsLikeSinglePixels() {
    var random = SplitMix64(seed: 7)
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
        image, labels: LabelMap(width: width, height: height, pixels: classes), palette: palette,
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

/// Lines and names over a photo.
@Suite struct AnnotationTests {
  private let palette = [RGB(0, 0, 0), RGB(200, 0, 0), RGB(0, 100, 0)]
  private let grey = RGBImage(
    width: 240, height: 160, pixels: [UInt8](repeating: 128, count: 240 * 160 * 3))

  /// Class 1 on the left of a body in the middle, class 2 on its right.
  private let labels = LabelMap(
    width: 240, height: 160,
    pixels: (0..<240 * 160).map { pixel in
      let (x, y) = (pixel % 240, pixel / 240)
      guard (90..<150).contains(x), (30..<130).contains(y) else { return 0 }
      return x < 120 ? 1 : 2
    })

  private func changed(_ image: RGBImage) -> Set<Int> {
    Set((0..<240 * 160).filter { image.pixels[3 * $0..<3 * $0 + 3] != [128, 128, 128] })
  }

  @Test func outlinesLieInsideTheEdges() {
    let found = changed(Overlay.outline(grey, labels: labels, persons: nil, palette: palette))
    let expected = Set(
      (0..<240 * 160).filter { pixel in
        let (x, y) = (pixel % 240, pixel / 240)
        guard (90..<150).contains(x), (30..<130).contains(y) else { return false }
        return [90, 119, 120, 149].contains(x) || [30, 129].contains(y)
      })
    #expect(found == expected)
  }

  @Test func personsHaveEdgesToo() {
    let persons = LabelMap(
      width: 240, height: 160, pixels: (0..<240 * 160).map { $0 / 240 < 80 ? 1 : 2 })
    let found = changed(Overlay.outline(grey, labels: labels, persons: persons, palette: palette))
    #expect(found.contains(79 * 240 + 100) && found.contains(80 * 240 + 140))
    #expect(!found.contains(79 * 240 + 10), "the background has none")
  }

  @Test func namesLieApartAndBesideTheRegions() {
    var asked: [String] = []
    let image = Overlay.annotate(
      grey, labels: labels, persons: nil, names: ["", "left", "right"], palette: palette
    ) { text in
      asked.append(text)
      return Stencil(width: 40, height: 12, pixels: [UInt8](repeating: 0, count: 480))
    }
    #expect(asked.sorted() == ["left", "right"])
    // The plates, whose ground is dark, hold no pixel of the body and are two.
    let plate = (0..<240 * 160).filter {
      image.pixels[3 * $0] < 60 && image.pixels[3 * $0 + 1] < 60
    }
    #expect(plate.allSatisfy { labels.pixels[$0] == 0 } && plate.count > 2 * 400)
    // The classes' own colours mark them.
    let swatches = [RGB(200, 0, 0), RGB(0, 100, 0)].map { colour in
      (0..<240 * 160).count {
        Array(image.pixels[3 * $0..<3 * $0 + 3]) == [colour.red, colour.green, colour.blue]
      }
    }
    #expect(swatches.allSatisfy { $0 > 30 })
  }

  @Test func ofTwoPersonsTheNamesBearTheNumber() {
    let persons = LabelMap(
      width: 240, height: 160, pixels: labels.pixels.map { $0 })
    var asked: [String] = []
    _ = Overlay.annotate(
      grey, labels: labels, persons: persons, names: ["", "a", "b"], palette: palette
    ) { text in
      asked.append(text)
      return Stencil(width: 20, height: 10, pixels: [UInt8](repeating: 255, count: 200))
    }
    #expect(asked.sorted() == ["a 1", "b 2"])
  }

  @Test func whatHasNoRoomIsLeftOut() {
    let tiny = RGBImage(width: 30, height: 20, pixels: [UInt8](repeating: 9, count: 1800))
    let map = LabelMap(width: 30, height: 20, pixels: [UInt8](repeating: 1, count: 600))
    let image = Overlay.annotate(
      tiny, labels: map, persons: nil, names: ["", "long"], palette: palette
    ) { _ in Stencil(width: 40, height: 12, pixels: [UInt8](repeating: 255, count: 480)) }
    #expect(image == tiny)
  }
}
