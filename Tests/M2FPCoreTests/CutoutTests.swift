import M2FPCore
import Testing

@Suite struct CutoutTests {
  private let image = RGBImage(width: 3, height: 1, pixels: [1, 2, 3, 4, 5, 6, 7, 8, 9])
  private let labels = LabelMap(width: 3, height: 1, pixels: [0, 2, 3])
  private let persons = LabelMap(width: 3, height: 1, pixels: [1, 1, 2])

  @Test func onlyWhatIsWantedIsLeft() {
    let clear: [UInt8] = [0, 0, 0, 0]
    #expect(
      image.cutout(labels: labels, classes: [2]).pixels == clear + [4, 5, 6, 255] + clear)
    #expect(
      image.cutout(labels: labels, classes: nil, person: (2, persons)).pixels
        == clear + clear + [7, 8, 9, 255])
    #expect(
      image.cutout(labels: labels, classes: [0, 3], person: (1, persons)).pixels
        == [1, 2, 3, 255] + clear + clear)
  }
}
