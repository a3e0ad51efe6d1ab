import Testing

@testable import M2FPCore

@Suite struct ObscuringTests {
  private static let names = ["Background", "Hair", "Face", "Coat"]
  private let width = 120
  private let height = 100

  /// A head with a slit of background in it on a coat; another head, which is nobody's.
  private func scene() -> (photo: RGBImage, labels: LabelMap, persons: LabelMap) {
    var (labels, persons) = (
      [UInt8](repeating: 0, count: width * height), [UInt8](repeating: 0, count: width * height)
    )
    func paint(_ x: Range<Int>, _ y: Range<Int>, _ label: UInt8, person: UInt8) {
      for row in y {
        for column in x {
          labels[row * width + column] = label
          persons[row * width + column] = person
        }
      }
    }
    paint(20..<50, 10..<20, 1, person: 1)
    paint(20..<50, 20..<40, 2, person: 1)
    paint(30..<50, 26..<29, 0, person: 0)
    paint(15..<60, 40..<95, 3, person: 1)
    paint(90..<102, 30..<42, 2, person: 0)
    // No two pixels are alike, nor like a mean of many.
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width { pixels += [UInt8(x % 2 * 255), UInt8(x * 2), UInt8(y * 2)] }
    }
    let photo = RGBImage(width: width, height: height, pixels: pixels)
    return (
      photo, LabelMap(width: width, height: height, pixels: labels),
      LabelMap(width: width, height: height, pixels: persons)
    )
  }

  private func isChanged(_ photo: RGBImage, _ other: RGBImage, _ x: Int, _ y: Int) -> Bool {
    let pixel = 3 * (y * width + x)
    return photo.pixels[pixel..<pixel + 3] != other.pixels[pixel..<pixel + 3]
  }

  @Test(arguments: Obscuring.Style.allCases)
  func wholeHeadsOfAllAreCoveredAndNothingElse(_ style: Obscuring.Style) {
    let (photo, labels, persons) = scene()
    let result = Obscuring([2], of: Self.names, style: style)(
      photo, labels: labels, persons: persons)
    for y in 10..<40 {
      for x in 20..<50 { #expect(isChanged(photo, result, x, y), "\(x), \(y)") }
    }
    for y in 30..<42 {
      for x in 90..<102 { #expect(isChanged(photo, result, x, y), "nobody's: \(x), \(y)") }
    }
    // 0.3 of √(30 × 30 - 60) is 8.7: grown by so much, and no further.
    #expect(isChanged(photo, result, 12, 25) && !isChanged(photo, result, 10, 25))
    for x in 0..<width { #expect(!isChanged(photo, result, x, 60), "the coat") }
  }

  @Test func aFewNumbersAreAllThatIsLeft() {
    let (photo, labels, persons) = scene()
    let result = Obscuring([2], of: Self.names, style: .pixelate)(
      photo, labels: labels, persons: persons)
    var colours: Set<[UInt8]> = []
    for y in 10..<40 {
      for x in 20..<50 {
        let pixel = 3 * (y * width + x)
        colours.insert(Array(result.pixels[pixel..<pixel + 3]))
      }
    }
    #expect(colours.count <= 36, "cells of 7 pixels: \(colours.count)")
    // The same means, whatever the pixels that they are of: the photo with neighbours swapped.
    var swapped = photo
    for y in 0..<height {
      for x in stride(from: 0, to: width, by: 2) {
        let pixel = 3 * (y * width + x)
        for channel in 0..<3 { swapped.pixels.swapAt(pixel + channel, pixel + 3 + channel) }
      }
    }
    let blurred = Obscuring([2], of: Self.names, style: .blur)
    let one = blurred(photo, labels: labels, persons: persons)
    let other = blurred(swapped, labels: labels, persons: persons)
    for y in 16..<34 {
      for x in 26..<44 {
        let pixel = 3 * (y * width + x)
        #expect(abs(Int(one.pixels[pixel]) - 128) < 40, "no stripes are left")
        #expect(abs(Int(one.pixels[pixel]) - Int(other.pixels[pixel])) < 80)
      }
    }
  }

  @Test func otherClassesAreGrownAndNotMadeConvex() {
    let (photo, labels, persons) = scene()
    var obscuring = Obscuring([3], of: Self.names, style: .pixelate)
    obscuring.grow = 0
    let result = obscuring(photo, labels: labels, persons: persons)
    for y in 0..<height {
      for x in 0..<width {
        let isCoat = labels.pixels[y * width + x] == 3
        #expect(isCoat || !isChanged(photo, result, x, y))
      }
    }
    #expect(isChanged(photo, result, 30, 60))
  }

  @Test func oneClassOfAHeadMeansTheHead() {
    #expect(Obscuring([1], of: Self.names, style: .blur).heads == [1, 2])
    #expect(Obscuring([3], of: Self.names, style: .blur).heads == [])
    #expect(Obscuring([2, 3], of: Self.names, style: .blur).others == [3])
  }

  @Test func aHeadAtTheEdgeOfThePhotoIsCoveredToTheEdge() {
    let isHead = (0..<900).map { $0 % 30 < 12 && $0 / 30 < 12 }
    let labels = LabelMap(width: 30, height: 30, pixels: isHead.map { $0 ? 2 : 0 as UInt8 })
    let photo = RGBImage(
      width: 30, height: 30, pixels: (0..<2700).map { UInt8(truncatingIfNeeded: $0 * 37) })
    let result = Obscuring([2], of: Self.names, style: .blur)(photo, labels: labels, persons: nil)
    let (left, right) = (photo.pixels[0..<36], result.pixels[0..<36])
    #expect(left != right)
    #expect(result.pixels[(3 * (29 * 30))...] == photo.pixels[(3 * (29 * 30))...])
  }
}
