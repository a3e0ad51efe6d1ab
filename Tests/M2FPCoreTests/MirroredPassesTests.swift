import Foundation
import TestSupport
import Testing

@testable import M2FPCore

struct MirroredPassesTests {
  private let rules = ModelContract.InstanceRules(
    topK: 20, partScoreThreshold: 0.1, humanScoreThreshold: 0.1, semanticScoreThreshold: 0.3,
    maskThreshold: 0.35)
  private let geometry = NetworkGeometry(
    imageWidth: 90, imageHeight: 64, contentWidth: 90, contentHeight: 64, offsetX: 0, offsetY: 0,
    inputWidth: 96, inputHeight: 64)

  private func contract(
    _ postprocess: ModelContract.Postprocess,
    classes: [String] = ["Background", "Hair", "Left-arm", "Right-arm", "Left shoe"]
  ) -> ModelContract {
    ModelContract(
      model: "test", classes: classes, palette: classes.map { _ in RGB(0, 0, 0) },
      preprocess: .init(
        geometry: .multi(shortSide: 64, maxSide: 96), divisor: 32, mean: [0, 0, 0], std: [1, 1, 1]),
      postprocess: postprocess, licence: "", commercialUse: true, sourceSHA256: "", torchVersion: ""
    )
  }

  @Test func sidesAreExchangedWhereBothHaveNames() {
    #expect(contract(.querySemantic).mirroredClasses == [0, 1, 3, 2, 4])
    // As CelebAMask-HQ spells them, whose l_lip is the lower one.
    let face = ["background", "r_eye", "l_eye", "u_lip", "l_lip"]
    #expect(contract(.querySemantic, classes: face).mirroredClasses == [0, 2, 1, 3, 4])
  }

  /// What the network returns for the mirror image, if it treats both sides alike.
  private func mirrored(_ output: SyntheticOutput, _ contract: ModelContract) -> SyntheticOutput {
    var result = output
    for query in 0..<output.queries {
      for (index, other) in contract.mirroredClasses.enumerated() {
        result.classLogits[query * output.classes + other] =
          output.classLogits[query * output.classes + index]
      }
      for y in 0..<output.maskHeight {
        let row = (query * output.maskHeight + y) * output.maskWidth
        for x in 0..<output.maskWidth {
          result.maskLogits[row + output.maskWidth - 1 - x] = output.maskLogits[row + x]
        }
      }
    }
    return result
  }

  private func both(
    _ straight: SyntheticOutput, _ mirrored: SyntheticOutput, _ contract: ModelContract
  ) throws -> ParsingResult {
    let passes = MirroredPasses(contract: contract)
    try straight.withOutput { try passes.keep($0, geometry: geometry) }
    return try mirrored.withOutput { output in
      try passes.withBoth(mirrored: output, geometry: geometry) { (output) throws(FileFailure) in
        try Postprocessor(contract: contract, threads: 2).run(
          output, passes: 2, geometry: geometry, persons: .all)
      }
    }
  }

  /// A network that treats both sides alike finds nothing new in the mirror, and nothing twice.
  @Test(arguments: [true, false]) func theSameTwiceIsTheSame(isParsing: Bool) throws {
    let contract = contract(isParsing ? .instances(rules) : .querySemantic)
    let output = SyntheticOutput.blobs(
      seed: 5, queries: 12, classes: contract.networkClasses, maskWidth: 24, maskHeight: 16)
    let once = try output.withOutput {
      try Postprocessor(contract: contract, threads: 1).run($0, geometry: geometry, persons: .all)
    }
    let twice = try both(output, mirrored(output, contract), contract)
    let wrong = zip(once.labels.pixels, twice.labels.pixels).count { $0 != $1 }
    #expect(wrong <= once.labels.pixels.count / 1000)
    #expect(Set(once.labels.pixels).count >= 3)
    for (a, b) in zip(once.classScores, twice.classScores) {
      #expect((a == nil) == (b == nil) && abs((a ?? 0) - (b ?? 0)) < 1e-5)
    }
    // Of one class no two that overlap much are left, and no mask is new.
    #expect(twice.parts.count <= once.parts.count && twice.humans.count <= once.humans.count)
    #expect(Set(twice.parts.map(\.classIndex)) == Set(once.parts.map(\.classIndex)))
    #expect(twice.parts.first.map { abs($0.score - (once.parts.first?.score ?? 0)) < 1e-5 } ?? true)
  }

  /// Queries with a rectangle of the mask's columns each, sure of themselves to some degree.
  private func output(
    _ queries: [(classIndex: Int, chance: Float, columns: Range<Int>)]
  ) -> SyntheticOutput {
    var output = SyntheticOutput(
      queries: queries.count, classes: 7, maskWidth: 24, maskHeight: 16)
    for (index, query) in queries.enumerated() {
      for label in 0..<7 {
        let rest = label == 6 ? 1 - query.chance : 1e-9
        output.classLogits[index * 7 + label] =
          Float(log(Double(label == query.classIndex ? query.chance : rest)))
      }
      for cell in 0..<24 * 16 {
        output.maskLogits[index * 24 * 16 + cell] = query.columns.contains(cell % 24) ? 9 : -9
      }
    }
    return output
  }

  /// A class's means of both passes are added up, wherever one pass has only one of them.
  @Test func bothPassesVote() throws {
    let contract = contract(.instances(rules))
    // Hair .9 against a left arm .6 in the one, a left arm .8 in the other, which sees it as a right
    // one: .9 / 2 against (.6 + .8) / 2.
    let straight = output([(1, 0.9, 0..<24), (2, 0.6, 0..<24)])
    let mirror = output([(3, 0.8, 0..<24), (5, 0.5, 0..<24)])
    let result = try both(straight, mirror, contract)
    #expect(Set(result.labels.pixels) == [2])
    #expect(
      Set(
        try both(straight, output([(0, 1e-6, 0..<1), (0, 1e-6, 0..<1)]), contract)
          .labels.pixels) == [1])
  }

  @Test func personsThatBothPassesFindAreOne() throws {
    let contract = contract(.instances(rules))
    // In the mirror image the one on the left stands on the right, 24 columns in all.
    let straight = output([(5, 0.6, 0..<8), (5, 0.9, 12..<20)])
    let mirror = output([(5, 0.8, 15..<24), (5, 0.3, 0..<3)])
    let result = try both(straight, mirror, contract)
    #expect(result.humans.count == 3)
    for (human, score) in zip(result.humans, [0.9, 0.8, 0.3] as [Float]) {
      // The masks are less than sure of themselves.
      #expect(human.score < score && human.score > 0.98 * score)
    }
    #expect(result.persons?.list.count == 3)
    // The mean of the masks: where only one has it, 9 and -9 make nothing.
    #expect(result.humans[1].box.map { $0.x == 0 && abs($0.width - 32) <= 2 } == true)
  }

  @Test func anotherShapeInTheMirrorIsAFailure() throws {
    let contract = contract(.querySemantic)
    let passes = MirroredPasses(contract: contract)
    let first = SyntheticOutput(queries: 3, classes: 6, maskWidth: 24, maskHeight: 16)
    let second = SyntheticOutput(queries: 4, classes: 6, maskWidth: 24, maskHeight: 16)
    try first.withOutput { try passes.keep($0, geometry: geometry) }
    #expect(throws: FileFailure.self) {
      try second.withOutput {
        try passes.withBoth(mirrored: $0, geometry: geometry) { (_) throws(FileFailure) in }
      }
    }
  }
}
