import Foundation
import M2FPCore
import TestSupport
import Testing

/// Maps of dense networks, against those that torch and OpenCV make of the same logits
/// (`Tests/Fixtures/dense`).
struct DenseMergerTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let stride: Int
    let align_corners: Bool
    let grid: [Int]
    let network: [Int]
    let crop: [Int]
    let photo: [Int]
    let warped: Bool

    var testDescription: String { name }

    var geometry: NetworkGeometry {
      NetworkGeometry(
        imageWidth: photo[1], imageHeight: photo[0], contentWidth: crop[2] - crop[0],
        contentHeight: crop[3] - crop[1], offsetX: crop[0], offsetY: crop[1],
        inputWidth: network[1], inputHeight: network[0], fitting: warped ? .warped : .resized)
    }

    var contract: ModelContract {
      M2FPCoreTests.contract(
        .dense(ModelContract.DenseRules(stride: stride, alignsCorners: align_corners)), classes: 6)
    }

    func logits() throws -> [Float] {
      try Fixtures.data("dense/\(name).logits.f32").withUnsafeBytes { bytes in
        (0..<bytes.count / 4).map {
          bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self)
        }
      }
    }
  }

  static let cases: [Case] = {
    do {
      return try JSONDecoder().decode([Case].self, from: Fixtures.data("dense/index.json"))
    } catch {
      preconditionFailure("dense/index.json: \(error)")
    }
  }()

  /// Runs the postprocess over logits of a case.
  private func result(
    _ logits: [Float], _ test: Case, shape: [Int]? = nil, threads: Int = 1
  ) throws -> ParsingResult {
    try logits.withUnsafeBufferPointer { logits in
      try Postprocessor(contract: test.contract, threads: threads).run(
        NetworkOutput(tensors: [
          .init(shape: shape ?? [1, 6, test.grid[0], test.grid[1]], values: logits)
        ]), geometry: test.geometry, persons: .all)
    }
  }

  @Test(arguments: cases) func mapsAreThoseOfTorch(_ test: Case) throws {
    let expected = try Fixtures.data("dense/\(test.name).labels.u8")
    let found = try result(test.logits(), test)
    #expect(expected.count == found.labels.pixels.count)
    let wrong = zip(expected, found.labels.pixels).count { $0 != 255 && $0 != $1 }
    #expect(wrong == 0)
    #expect(Set(found.labels.pixels).count >= 4)
    for label in 0..<6 {
      #expect(found.classPixelCounts[label] == found.labels.pixels.count { $0 == UInt8(label) })
    }
    #expect(found.parts.isEmpty && found.humans.isEmpty)
    #expect(found.persons?.map.pixels == found.labels.pixels.map { $0 == 0 ? 0 : 1 })
  }

  @Test(arguments: cases) func threadsDoNotMatter(_ test: Case) throws {
    let logits = try test.logits()
    let one = try result(logits, test)
    #expect(try result(logits, test, threads: 2) == one)
    #expect(try result(logits, test, threads: 3) == one)
  }

  @Test func aScoreIsTheMeanOfTheClassesChances() throws {
    let test = try #require(Self.cases.first { $0.name == "stretched" })
    // Everywhere the same: e² / (e² + 5 × e⁰).
    let plane = test.grid[0] * test.grid[1]
    let logits = (0..<6 * plane).map { $0 / plane == 3 ? Float(2) : 0 }
    let found = try result(logits, test)
    #expect(found.classPixelCounts[3] == test.photo[0] * test.photo[1])
    let score = try #require(found.classScores[3])
    #expect(abs(Double(score) - exp(2.0) / (exp(2.0) + 5)) < 1e-6)
    #expect(found.classScores.count { $0 != nil } == 1)
  }

  @Test func theMirrorImageIsOneMoreOpinion() throws {
    let test = try #require(Self.cases.first { $0.name == "stretched" })
    let (height, width) = (test.grid[0], test.grid[1])
    let logits = try test.logits()
    var mirrored = logits
    for row in 0..<6 * height {
      mirrored[row * width..<(row + 1) * width].reverse()
    }
    let passes = MirroredPasses(contract: test.contract)
    func lent<Result>(
      _ values: [Float], _ body: (NetworkOutput) throws -> Result
    ) rethrows -> Result {
      try values.withUnsafeBufferPointer {
        try body(NetworkOutput(tensors: [.init(shape: [1, 6, height, width], values: $0)]))
      }
    }
    let once = try result(logits, test)
    for (other, isTheSame) in [(mirrored, true), (mirrored.map { -3 * $0 }, false)] {
      try lent(logits) { try passes.keep($0, geometry: test.geometry) }
      let twice = try lent(other) { output in
        try passes.withBoth(mirrored: output, geometry: test.geometry) {
          (output) throws(FileFailure) in
          try Postprocessor(contract: test.contract, threads: 1).run(
            output, passes: 2, geometry: test.geometry, persons: .all)
        }
      }
      #expect((twice == once) == isTheSame)
    }
  }

  @Test(arguments: [
    ([1, 6, 16, 13], "for an input of 48×64, and its contract's postprocess.stride makes 12×16"),
    ([1, 5, 16, 12], "returns 5 classes, and its contract's classes are 6"),
    ([6, 16, 12], "logits of 6×16×12, and postprocess.mode 'dense' takes 1×classes×height×width"),
  ]) func whatIsNotPromisedIsNamed(_ shape: [Int], _ words: String) throws {
    let test = try #require(Self.cases.first { $0.name == "stretched" })
    let values = [Float](repeating: 0, count: shape.reduce(1, *))
    do {
      _ = try result(values, test, shape: shape)
      Issue.record("it was taken")
    } catch let failure as FileFailure {
      #expect(failure.stage == .infer && failure.code == .inference)
      #expect(failure.message.contains(words), "\(failure.message)")
    }
  }
}
