import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

struct LargestPhotoTests {
  private let folder: TemporaryFolder
  private let allowed = LargestPhoto(pixels: 1_000_000, fileSize: 1 << 20)

  init() throws {
    folder = try TemporaryFolder()
  }

  private func largest(_ allowed: LargestPhoto? = nil) -> LargestPhoto {
    let inputs = InputDiscovery.inputs(under: [folder.filePath], recursive: true)
    return LargestPhoto.among(
      OutputPlan.plan(inputs, root: nil, naming: .full), allowed: allowed ?? self.allowed)
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

  /// Phones and cameras write previews of their own before the frame header.
  @Test(arguments: [1, 2, 40]) func aHeaderThatComesLateIsFound(segments: Int) throws {
    let jpeg = try JPEGEncoder.rgb(Photo.noise(width: 50, height: 60)).withUnsafeBytes { Array($0) }
    let comment: [UInt8] = [0xFF, 0xFE, 0xFF, 0xFF] + [UInt8](repeating: 0xFF, count: 0xFFFD)
    let before = Array(repeating: comment, count: segments).joined()
    let late = jpeg.prefix(2) + before + jpeg.dropFirst(2)
    try folder.write("a.jpg", late)
    let allowed = LargestPhoto(pixels: 1_000_000, fileSize: 8 << 20)
    #expect(largest(allowed) == LargestPhoto(pixels: 3000, fileSize: late.count))
    // Where it should come, the file ends.
    try folder.write("a.jpg", late.prefix(2 + segments * comment.count))
    #expect(largest(allowed) == LargestPhoto(pixels: 0, fileSize: 0))
  }

  /// libjpeg holds them all until the last scan: 4:2:0 has half as many again as it has pixels, of two
  /// bytes each, in whole blocks.
  @Test func coefficientsOfAProgressiveJPEGCount() throws {
    let progressive = [UInt8](try Fixtures.data("images/progressive.jpg"))
    try folder.write("a.jpg", progressive)
    let blocks = (6 * 4 + 2 * 3 * 2)
    #expect(
      largest()
        == LargestPhoto(
          pixels: 35 * 27, fileSize: progressive.count, decoding: blocks * 64 * 2))
    let one = MemoryEstimate(
      networks: [], photo: LargestPhoto(pixels: 1, fileSize: 1, decoding: 1000), keepsPhotos: false)
    let other = MemoryEstimate(
      networks: [], photo: LargestPhoto(pixels: 1, fileSize: 1), keepsPhotos: false)
    #expect(one.photos(jobs: 3) == other.photos(jobs: 3) + 2 * 1000)
  }

  @Test func whatAContractSaysOfActivationsCounts() {
    func estimate(_ networks: MemoryEstimate.Network..., keptBytes: Int = 0) -> MemoryEstimate {
      MemoryEstimate(
        networks: networks, keptBytes: keptBytes, photo: LargestPhoto(pixels: 1, fileSize: 1),
        keepsPhotos: false)
    }
    let told = MemoryEstimate.Network(
      archiveSize: 1_000_000, pixels: 1000, activationBytes: 100_000)
    let untold = MemoryEstimate.Network(archiveSize: 1_000_000, pixels: 1000)
    #expect(estimate(told).network == 160_000)
    #expect(estimate(untold).network > 200_000)
    // A model that needs another one has the weights of both, and one runs at a time.
    let both = estimate(told, untold, keptBytes: 1000)
    #expect(both.network == estimate(untold).network + 1000)
    #expect(both.model == estimate(told).model + 1_000_000)
    #expect(both.total(jobs: 2) == both.model + 2 * both.network + both.photos(jobs: 2))
  }

  @Test func whatIsTooLargeIsNeverHeld() throws {
    let large = RGBImage(
      width: 1001, height: 1000, pixels: [UInt8](repeating: 0, count: 3_003_000))
    try folder.write("a.png", PNGEncoder.rgb(large).withUnsafeBytes { Array($0) })
    try folder.write("b.jpg", [UInt8](repeating: 0xFF, count: 2 << 20))
    #expect(largest() == LargestPhoto(pixels: 0, fileSize: 0))
  }
}
