import CPostprocess
import Foundation
import TestSupport
import Testing

@testable import M2FPCore

/// Refined masks, and what is merged of them, against Models/m2fp/refine.py, whose results lie in
/// `Tests/Fixtures/refine`.
@Suite(.serialized) struct MaskRefinerTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let queries: Int
    let network_classes: Int
    let mask_size: [Int]
    let network_size: [Int]
    let image_size: [Int]
    let output_size: [Int]
    let refined_classes: [Int]
    let refined_scores: [Float]

    var testDescription: String { name }

    var geometry: NetworkGeometry {
      NetworkGeometry(
        imageWidth: output_size[1], imageHeight: output_size[0], contentWidth: image_size[1],
        contentHeight: image_size[0], offsetX: 0, offsetY: 0, inputWidth: network_size[1],
        inputHeight: network_size[0])
    }

    var picture: RGBImage {
      get throws {
        try RGBImage(width: image_size[1], height: image_size[0], pixels: bytes("picture.u8"))
      }
    }

    var output: SyntheticOutput {
      get throws {
        var output = SyntheticOutput(
          queries: queries, classes: network_classes, maskWidth: mask_size[1],
          maskHeight: mask_size[0])
        output.classLogits = try floats("logits.f32")
        output.maskLogits = try floats("masks.f32")
        return output
      }
    }

    func bytes(_ suffix: String) throws -> [UInt8] {
      try [UInt8](Fixtures.data("refine/\(name).\(suffix)"))
    }

    func floats(_ suffix: String) throws -> [Float] {
      try bytes(suffix).withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map {
          Float(
            bitPattern: UInt32(
              littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)))
        }
      }
    }
  }

  struct Index: Decodable {
    /// A contract's `postprocess`.
    let contract: ModelContract.InstanceRules
    let cases: [Case]
  }

  static func index() throws -> Index {
    try JSONDecoder().decode(Index.self, from: Fixtures.data("refine/index.json"))
  }

  private func result(_ golden: Case, threads: Int = 1) throws -> ParsingResult {
    let contract = contract(.instances(try Self.index().contract), classes: 20)
    return try golden.output.withOutput {
      try Postprocessor(contract: contract, threads: threads).run(
        $0, geometry: golden.geometry, picture: golden.picture, persons: .all)
    }
  }

  @Test(arguments: try index().cases) func theMergeEqualsTheReferences(_ golden: Case) throws {
    let found = try result(golden).labels.pixels
    let expected = try golden.bytes("labels.u8")
    #expect(found.count == expected.count)
    // At the photo's size a few pixels are as near a tie as rounding goes.
    let wrong = zip(found, expected).count { $0 != $1 }
    #expect(wrong <= expected.count / 2000, "\(wrong) of \(expected.count)")
  }

  /// Before the merge: the logits of each refined query, and the map that they make.
  @Test(arguments: try index().cases) func theMasksEqualTheReferences(_ golden: Case) throws {
    let rules = try Self.index().contract
    let refinement = try #require(rules.refine)
    let instances = try result(golden)
    let parts = MaskRefiner.parts(instances.parts, least: rules.semanticScoreThreshold)
    #expect(parts.map(\.classIndex) == golden.refined_classes)
    for (part, score) in zip(parts, golden.refined_scores) {
      #expect(abs(part.score - score) < 1e-5)
    }
    let (width, height) = (golden.image_size[1], golden.image_size[0])
    let picture = try golden.picture
    var refiner = MaskRefiner()
    let planes = try golden.output.maskLogits.withUnsafeBufferPointer { values -> [[Float]] in
      guard let start = values.baseAddress else { return [] }
      let masks = Masks(
        logits: start, width: golden.mask_size[1], height: golden.mask_size[0],
        geometry: golden.geometry)
      let refined = refiner.refine(
        parts, persons: instances.humans.map { masks[$0.query] }, masks: masks, picture: picture,
        maskThreshold: rules.maskThreshold, rules: refinement,
        team: ThreadTeam(threads: 1) { Workspace() })
      return parts.indices.map { part in
        (0..<width * height).map { refined[part][$0 / width * refined.stride + $0 % width] }
      }
    }
    // Every fifth pixel of every fifth row.
    let places = stride(from: 0, to: height, by: 5).flatMap { y in
      stride(from: 0, to: width, by: 5).map { y * width + $0 }
    }
    let samples = planes.flatMap { plane in places.map { plane[$0] } }
    let expected = try golden.floats("refined.f32")
    #expect(samples.count == expected.count)
    #expect(zip(samples, expected).map { abs($0 - $1) }.reduce(0, max) < 2e-3)
    let labels = (0..<width * height).map { place -> UInt8 in
      let chances = zip(parts, planes).map { $0.score / (1 + exp(-$1[place])) }
      guard let most = chances.max(), most > rules.maskThreshold,
        let winner = chances.firstIndex(of: most)
      else { return 0 }
      return UInt8(parts[winner].classIndex)
    }
    #expect(try labels == golden.bytes("clean.u8"))
  }

  @Test(arguments: try index().cases) func neitherThreadsNorProcessorsMatter(_ golden: Case) throws
  {
    let found = try result(golden)
    #expect(try result(golden, threads: 3) == found)
    m2fp_post_use_plain_kernels(1)
    defer { m2fp_post_use_plain_kernels(0) }
    let plain = try result(golden)
    #expect(plain.labels == found.labels && plain.persons?.map == found.persons?.map)
  }

  /// Without the contract's say, or without the picture, nothing is refined.
  @Test(arguments: try index().cases) func nothingIsRefinedUnasked(_ golden: Case) throws {
    var rules = try Self.index().contract
    func labels(_ picture: RGBImage?) throws -> [UInt8] {
      try golden.output.withOutput {
        try Postprocessor(contract: contract(.instances(rules), classes: 20), threads: 1)
          .run($0, geometry: golden.geometry, picture: picture, persons: nil).labels.pixels
      }
    }
    let plain = try labels(nil)
    #expect(try labels(golden.picture) != plain)
    rules.refine = nil
    #expect(try labels(golden.picture) == plain)
  }

  /// A picture one pixel wide has no masks of three cells.
  @Test(arguments: [(1, 40), (40, 1), (2, 2)]) func thinPicturesAreRefined(
    width: Int, height: Int
  ) throws {
    let rules = try Self.index().contract
    let geometry = NetworkGeometry(
      imageWidth: width, imageHeight: height, contentWidth: width, contentHeight: height,
      offsetX: 0,
      offsetY: 0, inputWidth: 64, inputHeight: 64)
    var output = SyntheticOutput(queries: 2, classes: 22, maskWidth: 16, maskHeight: 16)
    for (query, classIndex) in [(0, 20), (1, 2)] { output.classLogits[query * 22 + classIndex] = 9 }
    output.maskLogits = [Float](repeating: 5, count: 512)
    let result = try output.withOutput {
      try Postprocessor(contract: contract(.instances(rules), classes: 20), threads: 2).run(
        $0, geometry: geometry, picture: Photo.pattern(width: width, height: height), persons: .all)
    }
    #expect(result.classPixelCounts[2] == width * height)
  }
}
