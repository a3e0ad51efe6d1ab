import Foundation
import Testing

@testable import M2FPCore

@Suite struct PersonsTests {
  private static let rules = ModelContract.InstanceRules(
    topK: 60, partScoreThreshold: 0.1, humanScoreThreshold: 0.1, semanticScoreThreshold: 0.3,
    maskThreshold: 0.3)

  private func geometry(_ width: Int, _ height: Int, input: (Int, Int)) -> NetworkGeometry {
    NetworkGeometry(
      imageWidth: width, imageHeight: height, contentWidth: input.0, contentHeight: input.1,
      offsetX: 0, offsetY: 0, inputWidth: input.0, inputHeight: input.1)
  }

  /// Every person's parts, scores, boxes and size against upstream's definition, written plainly.
  @Test(arguments: [1, 2, 3] as [UInt64]) func equalThePlainDefinition(seed: UInt64) throws {
    // Wider than a strip, so that persons reach over its edge.
    let geometry = geometry(1100, 50, input: (256, 32))
    let output = SyntheticOutput.blobs(
      seed: seed, queries: 30, classes: 7, maskWidth: 64, maskHeight: 8)
    let result = try output.withOutput {
      try Postprocessor(contract: contract(.instances(Self.rules)), threads: 1).run(
        $0, geometry: geometry, persons: .all)
    }
    let expected = NaivePostprocess.parsing(output, geometry, Self.rules)
    let persons = try #require(result.persons)
    #expect(!persons.list.isEmpty)
    let wrong = zip(persons.map.pixels, ids(result.humans, expected, persons)).count { $0 != $1 }
    #expect(wrong <= persons.map.pixels.count / 10_000)
    for (index, person) in persons.list.enumerated() {
      let inside = persons.map.pixels.indices.filter { persons.map.pixels[$0] == UInt8(index + 1) }
      #expect(person.pixelCount == inside.count)
      #expect(person.box == box(inside, geometry.imageWidth))
      let classes = Set(inside.map { result.labels.pixels[$0] }).subtracting([0]).sorted()
      #expect(person.parts.map(\.classIndex) == classes.map(Int.init))
      for part in person.parts {
        let pixels = inside.filter { result.labels.pixels[$0] == UInt8(part.classIndex) }
        #expect(part.pixelCount == pixels.count)
        #expect(part.box == box(pixels, geometry.imageWidth))
        let score = expected.parts.first { found in
          found.classIndex == part.classIndex && found.score >= 0.3
            && inside.contains {
              NaivePostprocess.logistic(found.mask.values[$0]) * found.score > 0.3
            }
        }?.score
        #expect(abs(Double(part.score ?? -1) - (score ?? -1)) < 1e-4)
      }
      let scores = person.parts.compactMap(\.score)
      let mean = scores.isEmpty ? 0 : scores.reduce(0, +) / Float(scores.count)
      #expect(abs(person.parsingScore - person.score * mean) < 1e-6)
    }
  }

  /// The ids that the naive version gives, without the humans of which nothing is seen.
  private func ids(
    _ humans: [Instance], _ expected: NaivePostprocess.Result, _ persons: Persons
  ) -> [UInt8] {
    var ids = [UInt8](repeating: 0, count: 256)
    var next: UInt8 = 1
    for index in humans.indices where expected.persons.contains(UInt8(index + 1)) {
      ids[index + 1] = next
      next += 1
    }
    #expect(persons.list.count == Int(next) - 1)
    return expected.persons.map { ids[Int($0)] }
  }

  private func box(_ pixels: [Int], _ width: Int) -> Instance.Box? {
    guard let minX = pixels.lazy.map({ $0 % width }).min(), let first = pixels.first,
      let maxX = pixels.lazy.map({ $0 % width }).max(), let last = pixels.last
    else { return nil }
    return Instance.Box(
      x: minX, y: first / width, width: maxX - minX + 1, height: last / width - first / width + 1)
  }

  /// Humans with a mask on the columns of an 8 × 8 grid each, over an image of 32 × 32, all of it
  /// of class 3.
  private func persons(
    _ humans: [(score: Float, columns: ClosedRange<Int>)], _ rules: PersonRules
  ) throws -> Persons {
    var output = SyntheticOutput(
      queries: humans.count + 1, classes: 7, maskWidth: 8, maskHeight: 8)
    let all: (index: Int, probability: Float, columns: ClosedRange<Int>) = (3, 0.95, 0...7)
    let queries = [all] + humans.map { (index: 5, probability: $0.score, columns: $0.columns) }
    for (query, wanted) in queries.enumerated() {
      for label in 0..<7 { output.classLogits[query * 7 + label] = -30 }
      output.classLogits[query * 7 + wanted.index] = log(wanted.probability)
      output.classLogits[query * 7 + 6] = log(1 - wanted.probability)
      for cell in 0..<64 {
        output.maskLogits[query * 64 + cell] = wanted.columns.contains(cell % 8) ? 20 : -20
      }
    }
    let result = try output.withOutput {
      try Postprocessor(contract: contract(.instances(Self.rules)), threads: 1)
        .run($0, geometry: geometry(32, 32, input: (32, 32)), persons: rules)
    }
    return try #require(result.persons)
  }

  @Test func twoWhoOverlapKeepTheirOwnParts() throws {
    let found = try persons([(0.6, 0...4), (0.9, 3...7)], .all)
    #expect(found.list.map(\.score).map { ($0 * 10).rounded() } == [9, 6])
    #expect(found.list.map { $0.box.x } == [12, 0])
    #expect(found.list.map(\.pixelCount) == [20 * 32, 12 * 32])
    #expect(found.list.map { $0.parts.map(\.classIndex) } == [[3], [3]])
    #expect(found.list.map { $0.parts.map(\.pixelCount) } == [[20 * 32], [12 * 32]])
    #expect(found.map.pixels[..<32].elementsEqual((0..<32).map { $0 < 12 ? 2 : 1 }))
  }

  @Test func aLeastScoreLeavesOutTheUnsure() throws {
    var rules = PersonRules.all
    rules.minScore = 0.5
    let found = try persons([(0.9, 0...2), (0.4, 3...7), (0.7, 5...7)], rules)
    #expect(found.list.count == 2)
    #expect(found.map.pixels[..<32].elementsEqual((0..<32).map { $0 < 12 ? 1 : $0 < 20 ? 0 : 2 }))
  }

  @Test func aLeastSizeLooksAtWhatIsSeen() throws {
    var rules = PersonRules.all
    // Of 4 columns of cells only one is seen.
    rules.minSize = .pixels(4 * 32 + 1)
    #expect(try persons([(0.9, 0...6), (0.5, 4...7)], rules).list.count == 1)
    rules.minSize = .pixels(4 * 32)
    #expect(try persons([(0.9, 0...6), (0.5, 4...7)], rules).list.count == 2)
    rules.minSize = .share(0.13)
    #expect(try persons([(0.9, 0...6), (0.5, 4...7)], rules).list.count == 1)
  }

  @Test func aHumanFoundTwiceIsOnePerson() throws {
    var rules = PersonRules.all
    rules.maxOverlap = 0.5
    // The second lies under the first for the most part; what it stood before is seen again.
    let found = try persons([(0.9, 0...4), (0.7, 1...6), (0.5, 5...7)], rules)
    #expect(found.list.count == 2)
    #expect(found.map.pixels[..<32].elementsEqual((0..<32).map { $0 < 20 ? 1 : 2 }))
    #expect(try persons([(0.9, 0...4), (0.7, 1...6), (0.5, 5...7)], .all).list.count == 3)
  }

  @Test func aSingleHumanModelFindsOnePerson() throws {
    let output = SyntheticOutput.blobs(
      seed: 3, queries: 24, classes: 6, maskWidth: 16, maskHeight: 24)
    let geometry = NetworkGeometry(
      imageWidth: 64, imageHeight: 96, contentWidth: 64, contentHeight: 96, offsetX: 0, offsetY: 0,
      inputWidth: 64, inputHeight: 96)
    func run(_ persons: PersonRules) throws -> (ParsingResult, Persons) {
      let result = try output.withOutput {
        try Postprocessor(contract: contract(.querySemantic), threads: 1).run(
          $0, geometry: geometry, persons: persons)
      }
      return (result, try #require(result.persons))
    }
    let (result, persons) = try run(.all)
    let person = try #require(persons.list.first)
    #expect(persons.list.count == 1)
    let counts = result.classPixelCounts.enumerated().dropFirst().filter { $0.element > 0 }
    #expect(person.parts.map(\.classIndex) == counts.map(\.offset))
    #expect(person.parts.map(\.pixelCount) == counts.map(\.element))
    #expect(person.parts.map(\.score) == counts.map { result.classScores[$0.offset] })
    #expect(person.pixelCount == counts.map(\.element).reduce(0, +))
    #expect(try run(PersonRules(minScore: 0, minSize: .share(1), maxOverlap: 1)).1.list.isEmpty)
  }
}
