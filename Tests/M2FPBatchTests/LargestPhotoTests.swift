import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct LargestPhotoTests {
  private let folder: TemporaryFolder
  private let allowed = LargestPhoto(pixels: 1_000_000, fileSize: 1 << 20)

  init() throws {
    folder = try TemporaryFolder()
  }

  private func largest() -> LargestPhoto {
    let inputs = InputDiscovery.inputs(under: [folder.path], recursive: true)
    return LargestPhoto.among(
      OutputPlan.plan(inputs, root: nil, naming: .full), allowed: allowed)
  }

  @Test func headersTell() throws {
    let png = try PNGEncoder.rgb(Photo.noise(width: 30, height: 40)).withUnsafeBytes { Array($0) }
    let jpeg = try JPEGEncoder.rgb(Photo.noise(width: 50, height: 60)).withUnsafeBytes { Array($0) }
    try folder.write("a.png", png)
    try folder.write("b.jpg", jpeg)
    try folder.write("c.jpg", "no photo".utf8)
    try folder.write("d.jpg", [UInt8]())
    #expect(largest() == LargestPhoto(pixels: 3000, fileSize: max(png.count, jpeg.count)))
  }

  @Test func aLargeFileIsKnownByItsBeginning() throws {
    let png = try PNGEncoder.rgb(Photo.noise(width: 400, height: 300)).withUnsafeBytes { Array($0) }
    try #require(png.count > 1 << 16)
    try folder.write("a.png", png)
    #expect(largest() == LargestPhoto(pixels: 120_000, fileSize: png.count))
  }

  @Test func aHeaderThatComesLateCountsAsTheLargestAllowed() throws {
    let jpeg = try JPEGEncoder.rgb(Photo.noise(width: 50, height: 60)).withUnsafeBytes { Array($0) }
    let comment: [UInt8] = [0xFF, 0xFE, 0xFF, 0xFF] + [UInt8](repeating: 0, count: 0xFFFD)
    let late = jpeg.prefix(2) + comment + comment + jpeg.dropFirst(2)
    try folder.write("a.jpg", late)
    #expect(largest() == LargestPhoto(pixels: allowed.pixels, fileSize: late.count))
  }

  @Test func whatIsTooLargeIsNeverHeld() throws {
    let large = RGBImage(
      width: 1001, height: 1000, pixels: [UInt8](repeating: 0, count: 3_003_000))
    try folder.write("a.png", PNGEncoder.rgb(large).withUnsafeBytes { Array($0) })
    try folder.write("b.jpg", [UInt8](repeating: 0xFF, count: 2 << 20))
    #expect(largest() == LargestPhoto(pixels: 0, fileSize: 0))
  }
}
