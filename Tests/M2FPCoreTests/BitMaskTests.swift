import Foundation
import TestSupport
import Testing

@testable import M2FPCore

@Suite struct BitMaskTests {
  /// A file of Tests/Fixtures/masks.
  private struct Case: Decodable {
    let file: String
    let width: Int
    let height: Int
    let operations: [String]
  }

  /// What OpenCV and SciPy make of a mask (`Models/commands/mask_fixtures.py`).
  private static func cases() throws -> [(mask: BitMask, made: [(name: String, mask: BitMask)])] {
    try JSONDecoder().decode([Case].self, from: Fixtures.data("masks/index.json")).map { file in
      let bytes = try Fixtures.data("masks/" + file.file)
      let size = file.width * file.height
      let masks = (0...file.operations.count).map { index in
        BitMask(
          width: file.width, height: file.height,
          pixels: bytes[index * size..<(index + 1) * size].map { $0 == 1 })
      }
      return (masks[0], Array(zip(file.operations, masks.dropFirst())))
    }
  }

  @Test func eachOperationIsThatOfOpenCVAndSciPy() throws {
    var compared = 0
    for (mask, made) in try Self.cases() {
      for (name, expected) in made where name != "hulls" {
        let words = name.split(separator: " ")
        let number = words.dropFirst().first.flatMap { Float($0) }
        let result =
          switch words[0] {
          case "fill-holes": mask.fillingHoles(upTo: number.map { Int($0) })
          case "min-region": mask.removingRegions(below: Int(try #require(number)))
          case "smooth": mask.smoothed(radius: Int(try #require(number)))
          case "grow": mask.grown(by: try #require(number))
          default: mask.shrunk(by: try #require(number))
          }
        #expect(result == expected, "\(mask.width) × \(mask.height): \(name)")
        compared += 1
      }
    }
    #expect(compared == 4 * 18)
  }

  @Test func hullsHoldSciPysAndReachOnePixelFurtherAtMost() throws {
    for (mask, made) in try Self.cases() {
      let expected = try #require(made.first { $0.name == "hulls" }).mask
      let result = mask.convexRegions
      let around = expected.grown(by: 1)
      for pixel in result.pixels.indices {
        #expect(result.pixels[pixel] || !expected.pixels[pixel])
        #expect(around.pixels[pixel] || !result.pixels[pixel])
      }
    }
  }

  @Test func operationsAreDoneInTheirOrder() throws {
    for (mask, _) in try Self.cases() {
      let all = MaskOperations(fillHoles: 6, minRegion: 8, smooth: 1, grow: -2)
      #expect(
        all(mask)
          == mask.fillingHoles(upTo: 6).removingRegions(below: 8).smoothed(radius: 1)
          .shrunk(by: 2))
      #expect(MaskOperations()(mask) == mask)
      #expect(MaskOperations(grow: 2)(mask) == mask.grown(by: 2))
    }
  }

  @Test func edgesAreAsSoftAsThePhotoSays() {
    // Left is dark, right is bright, and the mask's edge lies two pixels beside it.
    let (width, height) = (40, 20)
    let mask = BitMask(
      width: width, height: height, pixels: (0..<width * height).map { $0 % width < 22 })
    let photo = RGBImage(
      width: width, height: height,
      pixels: (0..<width * height).flatMap { pixel in
        [UInt8](repeating: pixel % width < 20 ? 20 : 230, count: 3)
      })
    let row = mask.softened(by: photo).pixels[10 * width..<11 * width].map(Int.init)
    #expect(row[..<14].allSatisfy { $0 == 255 } && row[30...].allSatisfy { $0 == 0 })
    let steps = zip(row, row.dropFirst()).map { $0 - $1 }
    #expect(steps[19] > 40, "the photo's edge is seen: \(row)")
    #expect(steps.allSatisfy { $0 >= 0 })
    let empty = BitMask(
      width: 3, height: 2, pixels: [Bool](repeating: false, count: 6))
    let black = RGBImage(width: 3, height: 2, pixels: [UInt8](repeating: 0, count: 18))
    #expect(empty.softened(by: black).pixels == [UInt8](repeating: 0, count: 6))
  }

  /// Rows are taken in bands; what comes out is that of the whole.
  @Test func softEdgesDoNotDependOnWhereAPhotoIsDivided() {
    var random = SplitMix64(seed: 5)
    let (width, height) = (50, 420)
    let photo = RGBImage(
      width: width, height: height,
      pixels: (0..<3 * width * height).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    let mask = BitMask(
      width: width, height: height,
      pixels: (0..<width * height).map { pixel -> Bool in
        let (row, column) = (pixel / width, pixel % width)
        return (row / 9 + column / 7) % 2 == 0
      })
    let whole = mask.softened(by: photo).pixels
    // The lower part begins in the midst of a band.
    let top = 60
    let lower = BitMask(
      width: width, height: height - top, pixels: Array(mask.pixels[(top * width)...])
    ).softened(
      by: RGBImage(
        width: width, height: height - top, pixels: Array(photo.pixels[(3 * top * width)...])))
    #expect(whole[((top + 8) * width)...].elementsEqual(lower.pixels[(8 * width)...]))
  }
}
