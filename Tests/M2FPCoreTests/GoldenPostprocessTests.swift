import Foundation
import M2FPCore
import TestSupport
import Testing

/// The postprocess against ModelScope's own, whose results lie in `Tests/Fixtures/golden`.
@Suite struct GoldenPostprocessTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Found: Decodable, Sendable {
      let label: Int
      let score: Float
      let pixels: Int
      let box: [Int]
    }

    enum Mode: String, Decodable { case parsing, semantic }

    let name: String
    let mode: Mode
    let queries: Int
    let network_classes: Int
    let mask_size: [Int]
    let network_size: [Int]
    let image_size: [Int]
    let crop: [Int]?
    let output_size: [Int]
    let parts: [Found]
    let humans: [Found]
    let class_scores: [String: Float]

    var testDescription: String { name }

    var geometry: NetworkGeometry {
      let crop = crop ?? [0, 0, image_size[1], image_size[0]]
      return NetworkGeometry(
        imageWidth: output_size[1], imageHeight: output_size[0], contentWidth: crop[2] - crop[0],
        contentHeight: crop[3] - crop[1], offsetX: crop[0], offsetY: crop[1],
        inputWidth: network_size[1], inputHeight: network_size[0])
    }

    var postprocess: ModelContract.Postprocess {
      switch mode {
      case .parsing:
        .instances(
          ModelContract.InstanceRules(
            topK: 100, partScoreThreshold: 0.1, humanScoreThreshold: 0.1,
            semanticScoreThreshold: 0.5, maskThreshold: 0.5))
      case .semantic: .querySemantic
      }
    }

    func bytes(_ suffix: String) throws -> Data {
      try Fixtures.data("golden/" + name + "." + suffix)
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

  static func cases() throws -> [Case] {
    try JSONDecoder().decode([Case].self, from: Fixtures.data("golden/index.json"))
  }

  /// The parsing classes of LIP, whose names index `class_scores`.
  private static let names = [
    "Background", "Hat", "Hair", "Glove", "Sunglasses", "UpperClothes", "Dress", "Coat", "Socks",
    "Pants", "Jumpsuits", "Scarf", "Skirt", "Face", "Left-arm", "Right-arm", "Left-leg",
    "Right-leg", "Left-shoe", "Right-shoe",
  ]

  @Test func coversBothModes() throws {
    let cases = try Self.cases()
    #expect(cases.count { $0.mode == .parsing && !$0.parts.isEmpty } >= 3)
    #expect(cases.count { $0.mode == .semantic } >= 2)
  }

  @Test(arguments: try cases()) func equalsModelScope(_ golden: Case) throws {
    var output = SyntheticOutput(
      queries: golden.queries, classes: golden.network_classes, maskWidth: golden.mask_size[1],
      maskHeight: golden.mask_size[0])
    output.classLogits = try golden.floats("logits.f32")
    output.maskLogits = try golden.floats("masks.f32")
    let contract = contract(golden.postprocess, classes: 20)
    let result = try output.withOutput {
      try Postprocessor(contract: contract, threads: 1)
        .run($0, geometry: golden.geometry, persons: nil)
    }
    try #expect(result.labels.pixels == [UInt8](golden.bytes("labels.u8")))
    for (found, expected) in [(result.parts, golden.parts), (result.humans, golden.humans)] {
      #expect(found.map(\.classIndex) == expected.map(\.label))
      for (a, b) in zip(found, expected) {
        #expect(abs(a.score - b.score) < 1e-4)
        #expect(a.pixelCount == b.pixels)
        #expect(a.box.map { [$0.x, $0.y, $0.x + $0.width, $0.y + $0.height] } == b.box)
      }
    }
    if golden.mode == .semantic {
      let scores = zip(Self.names, result.classScores).compactMap { name, score in
        score.map { (name, $0) }
      }
      #expect(Set(scores.map(\.0)) == Set(golden.class_scores.keys))
      for (name, score) in scores {
        #expect(abs(score - golden.class_scores[name, default: -1]) < 1e-4)
      }
    }
  }
}
