import TestSupport
import Testing

@testable import M2FPCore

struct RunLengthTests {
  /// A map of random rectangles, small enough for every position to matter.
  private static func map(seed: UInt64, width: Int, height: Int, values: Int) -> LabelMap {
    var random = SplitMix64(seed: seed)
    func below(_ bound: Int) -> Int { Int(random.next() % UInt64(bound)) }
    var map = LabelMap(
      width: width, height: height, pixels: [UInt8](repeating: 0, count: width * height))
    for _ in 0..<12 {
      let value = UInt8(below(values + 1))
      let (x, y) = (below(width), below(height))
      for row in y..<min(height, y + 1 + below(9)) {
        for column in x..<min(width, x + 1 + below(9)) { map.pixels[row * width + column] = value }
      }
    }
    return map
  }

  @Test(arguments: [(1, 1), (1, 37), (37, 1), (33, 31), (64, 32), (70, 45)])
  func aMapComesBackFromItsMasks(_ width: Int, _ height: Int) throws {
    for seed in 0..<20 {
      let map = Self.map(seed: UInt64(seed), width: width, height: height, values: 5)
      let masks = RunLength.masks(of: map, count: 5)
      for (index, mask) in masks.enumerated() {
        #expect(mask.area == map.pixels.count { $0 == UInt8(index + 1) })
      }
      let texts = masks.enumerated().map {
        ($1.compressed(pixels: width * height), UInt8($0 + 1))
      }
      #expect(LabelMap(width: width, height: height, masks: texts) == map)
    }
  }

  @Test func issue17LabelsFrom128OnHaveMasksOfTheirOwn() {
    let map = Self.map(seed: 17, width: 70, height: 45, values: 255)
    let masks = RunLength.masks(of: map, count: 255)
    #expect(masks.count == 255 && Set(map.pixels).contains { $0 >= 128 })
    for (index, mask) in masks.enumerated() {
      #expect(mask.area == map.pixels.count { Int($0) == index + 1 }, "label \(index + 1)")
    }
    let texts = masks.enumerated().map { ($1.compressed(pixels: 70 * 45), UInt8($0 + 1)) }
    #expect(LabelMap(width: 70, height: 45, masks: texts) == map)
  }

  /// Columns first: pycocotools says the same of these two (see FormatTests for whole exports).
  @Test func columnsAreCountedFirst() {
    let map = LabelMap(width: 3, height: 2, pixels: [0, 1, 0, 1, 1, 0])
    let mask = RunLength.masks(of: map, count: 1)[0]
    #expect(mask.counts == [1, 3] && mask.box == [0, 0, 2, 2])
    #expect(RunLength.counts(compressed: mask.compressed(pixels: 6), pixels: 6) == [1, 3, 2])
  }

  @Test(arguments: [
    "", "0", "6", "123", "06000", "~", "\u{7F}", "oooooooooooooooo", "O", "P0", "é", "1\0",
    "nnnnnnnnnnn?1",
  ])
  func whatIsNoMaskOfThatSizeIsRefused(_ text: String) {
    if let counts = RunLength.counts(compressed: text, pixels: 7) {
      #expect(counts.reduce(0, +) == 7 && counts.allSatisfy { $0 >= 0 })
    }
    #expect(RunLength.counts(compressed: text, pixels: .max) == nil)
  }
}
