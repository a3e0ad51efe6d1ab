import M2FPCore
import Testing

@Suite struct CutoutTests {
  private let image = RGBImage(width: 3, height: 1, pixels: [1, 2, 3, 4, 5, 6, 7, 8, 9])
  private let labels = LabelMap(width: 3, height: 1, pixels: [0, 2, 3])
  private let persons = LabelMap(width: 3, height: 1, pixels: [1, 1, 2])

  private var hard: CutoutStyle {
    var style = CutoutStyle()
    style.edges = .hard
    return style
  }

  private func cut(
    _ classes: Set<Int>?, person: UInt8? = nil, _ style: CutoutStyle? = nil
  ) -> Cutout {
    (style ?? hard).cut(
      BitMask(labels: labels, classes: classes, person: person.map { ($0, persons) }), from: image)
  }

  private func transparent(_ pixels: [UInt8]) -> Cutout {
    .transparent(RGBAImage(width: pixels.count / 4, height: 1, pixels: pixels))
  }

  @Test func onlyWhatIsWantedIsLeft() {
    let clear: [UInt8] = [0, 0, 0, 0]
    #expect(cut([2]) == transparent(clear + [4, 5, 6, 255] + clear))
    #expect(cut(nil, person: 2) == transparent(clear + clear + [7, 8, 9, 255]))
    #expect(cut([0, 3], person: 1) == transparent([1, 2, 3, 255] + clear + clear))
  }

  @Test func aCutoutIsCroppedToItsBoxWithItsMargin() {
    var style = hard
    style.crop = .pixels(0)
    #expect(cut([2], style) == transparent([4, 5, 6, 255]))
    #expect(cut([5], style) == transparent([UInt8](repeating: 0, count: 12)), "there is no box")
    style.crop = .share(1)
    #expect(
      cut([3], style) == transparent([0, 0, 0, 0, 7, 8, 9, 255]), "the margin ends at the edge")
    style.crop = .pixels(.max)
    #expect(cut([3], style) == cut([3]))
  }

  /// Scaled whole, these would take a hundred gigabytes and more.
  @Test(arguments: [(1, 20_001), (20_001, 1)])
  func issue17AVeryLongBackgroundIsScaledInPart(_ width: Int, _ height: Int) {
    var style = hard
    let shades = [UInt8](repeating: 0, count: 30_000) + [UInt8](repeating: 255, count: 30_003)
    style.background = .picture(
      RGBImage(width: width, height: height, pixels: shades), sha256: "")
    let side = 3000
    let photo =
      width == 1
      ? RGBImage(width: side, height: 2, pixels: [UInt8](repeating: 7, count: 6 * side))
      : RGBImage(width: 2, height: side, pixels: [UInt8](repeating: 7, count: 6 * side))
    let mask = BitMask(
      width: photo.width, height: photo.height,
      pixels: [Bool](repeating: false, count: 2 * side))
    guard case .opaque(let cutout) = style.cut(mask, from: photo) else {
      Issue.record("it has a background")
      return
    }
    // The pixel in the middle is white.
    #expect(cutout.width == photo.width && cutout.height == photo.height)
    #expect(cutout.pixels.allSatisfy { $0 == 255 })
  }

  @Test func aBackgroundLiesBehind() {
    var style = hard
    style.background = .colour(RGB(10, 20, 30))
    #expect(
      cut([2], style)
        == .opaque(
          RGBImage(width: 3, height: 1, pixels: [10, 20, 30, 4, 5, 6, 10, 20, 30])))
    // It covers the photo, its middle on the photo's: of five columns the three in the middle.
    style.background = .picture(
      RGBImage(width: 5, height: 1, pixels: (0..<15).map { UInt8(100 + $0) }), sha256: "")
    #expect(
      cut([3], style)
        == .opaque(
          RGBImage(width: 3, height: 1, pixels: [103, 104, 105, 106, 107, 108, 7, 8, 9])))
    style.crop = .pixels(0)
    style.background = .picture(RGBImage(width: 1, height: 1, pixels: [9, 9, 9]), sha256: "")
    #expect(cut([2], style) == .opaque(RGBImage(width: 1, height: 1, pixels: [4, 5, 6])))
  }

  /// Scaled as a whole it would be 300,000 pixels high; its middle is taken first.
  @Test func issue19ABackgroundMayBeALine() {
    var style = hard
    var pixels = [UInt8](repeating: 0, count: 3 * 100_001)
    pixels.replaceSubrange(150_000..<150_003, with: [1, 2, 3])
    style.background = .picture(RGBImage(width: 1, height: 100_001, pixels: pixels), sha256: "")
    #expect(
      cut([3], style)
        == .opaque(RGBImage(width: 3, height: 1, pixels: [1, 2, 3, 1, 2, 3, 7, 8, 9])))
  }
}
