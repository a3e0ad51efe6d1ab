import Foundation
import TestSupport
import Testing

@testable import M2FPCore

/// Maps of photos whose persons are parsed by themselves as well, against those that torch makes of the
/// same logits (`Tests/Fixtures/dense`).
struct CropFusionTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let photo: DenseMergerTests.Case
    let boxes: [[Int]]
    let outside: ModelContract.Crops.Outside

    var testDescription: String { photo.name }

    var contract: ModelContract {
      M2FPCoreTests.contract(
        .dense(
          .init(
            stride: photo.stride, alignsCorners: photo.align_corners,
            crops: .init(margin: 0, outside: outside))), classes: 6)
    }

    var whole: Instance.Box {
      Instance.Box(x: 0, y: 0, width: photo.photo[1], height: photo.photo[0])
    }

    func geometry(_ box: Instance.Box) -> NetworkGeometry {
      let photo = photo.geometry
      return NetworkGeometry(
        imageWidth: box.width, imageHeight: box.height, contentWidth: photo.contentWidth,
        contentHeight: photo.contentHeight, offsetX: photo.offsetX, offsetY: photo.offsetY,
        inputWidth: photo.inputWidth, inputHeight: photo.inputHeight, fitting: photo.fitting)
    }
  }

  static let cases: [Case] = {
    do {
      return try JSONDecoder().decode([Case].self, from: Fixtures.data("dense/crops.json"))
    } catch {
      preconditionFailure("dense/crops.json: \(error)")
    }
  }()

  /// Persons of another network: bands of the photo's columns.
  private func found(_ test: Case, scores: [Float]) -> ParsingResult {
    let (width, height) = (test.whole.width, test.whole.height)
    let band = width / scores.count
    let map = LabelMap(
      width: width, height: height,
      pixels: (0..<width * height).map { UInt8(min($0 % width / band + 1, scores.count)) })
    let persons = scores.enumerated().map { index, score in
      Person(
        score: score, parsingScore: score, pixelCount: band * height,
        box: Instance.Box(x: index * band, y: 0, width: band, height: height), parts: [])
    }
    return ParsingResult(
      labels: map, parts: [],
      humans: scores.enumerated().map { index, score in
        Instance(
          query: index, classIndex: 20, classScore: score, score: score, pixelCount: band * height,
          box: persons[index].box)
      }, persons: Persons(map: map, list: persons), classPixelCounts: [], classScores: [],
      personLimit: 7)
  }

  private func result(
    _ test: Case, _ logits: [Float], threads: Int = 1, found: ParsingResult? = nil,
    persons: PersonRules? = .all
  ) throws -> ParsingResult {
    let crops = CropLogits()
    let shape = [1, 6, test.photo.grid[0], test.photo.grid[1]]
    let size = shape.reduce(1, *)
    // What a photo before this one has left does not matter.
    for _ in 0..<2 {
      crops.removeAll()
      let boxes =
        [test.whole]
        + test.boxes.map { Instance.Box(x: $0[0], y: $0[1], width: $0[2], height: $0[3]) }
      for (index, box) in boxes.enumerated() {
        try logits[index * size..<(index + 1) * size].withUnsafeBufferPointer {
          try crops.add(
            NetworkOutput(tensors: [.init(shape: shape, values: $0)]), of: test.contract,
            geometry: test.geometry(box), box: box)
        }
      }
    }
    return Postprocessor(contract: test.contract, threads: threads).run(
      crops, found: found ?? self.found(test, scores: [0.5]), persons: persons)
  }

  @Test(arguments: cases) func mapsAreThoseOfTorch(_ test: Case) throws {
    let expected = try Fixtures.data("dense/\(test.photo.name).labels.u8")
    let found = try result(test, test.photo.logits())
    #expect(expected.count == found.labels.pixels.count)
    let wrong = zip(expected, found.labels.pixels).count { $0 != 255 && $0 != $1 }
    #expect(wrong == 0)
    #expect(Set(found.labels.pixels).count >= 4)
    for (label, score) in found.classScores.enumerated() {
      let count = found.labels.pixels.count { $0 == UInt8(label) }
      #expect(found.classPixelCounts[label] == count && (score != nil) == (count > 0))
      #expect(score.map { (0.1...1).contains($0) } ?? true)
    }
  }

  @Test(arguments: cases) func threadsDoNotMatter(_ test: Case) throws {
    let logits = try test.photo.logits()
    let one = try result(test, logits)
    #expect(try result(test, logits, threads: 2) == one)
    #expect(try result(test, logits, threads: 3) == one)
  }

  @Test func aScoreIsTheMeanOfTheClassesChances() throws {
    let test = try #require(Self.cases.first { $0.outside == .whole })
    let pieces = test.boxes.count + 1
    let plane = test.photo.grid[0] * test.photo.grid[1]
    // Everywhere the same: e² / (e² + 5 × e⁰), in the photo as in the crops.
    let logits = (0..<pieces * 6 * plane).map { $0 / plane % 6 == 3 ? Float(2) : 0 }
    let score = try #require(try result(test, logits).classScores[3])
    #expect(abs(Double(score) - exp(2.0) / (exp(2.0) + 5)) < 1e-6)
  }

  @Test func personsAreThoseThatTheOtherNetworkFinds() throws {
    let test = try #require(Self.cases.first { $0.outside == .background })
    let others = found(test, scores: [0.9, 0.8, 0.7, 0.3])
    let all = try result(test, test.photo.logits(), found: others)
    let persons = try #require(all.persons)
    let (labels, ids) = (all.labels.pixels, try #require(others.persons).map.pixels)
    #expect(persons.map.pixels == zip(labels, ids).map { $0 == 0 ? 0 : $1 })
    #expect(persons.list.map(\.score) == [0.9, 0.8, 0.7, 0.3])
    for (index, person) in persons.list.enumerated() {
      let own = zip(labels, ids).filter { $0 != 0 && $1 == UInt8(index + 1) }.map(\.0)
      #expect(person.pixelCount == own.count)
      #expect(person.parts.map(\.classIndex) == Set(own).sorted().map(Int.init))
      #expect(person.parts.allSatisfy { $0.score == all.classScores[$0.classIndex] })
    }
    #expect(all.humans.map(\.classIndex) == [6, 6, 6, 6] && all.personLimit == 7)
    #expect(try result(test, test.photo.logits(), found: others, persons: nil).persons == nil)

    // Of whom too little is left, nothing is: those behind move up.
    let sizes = persons.list.map(\.pixelCount)
    let least = try #require(sizes.sorted().dropFirst().first)
    let kept = sizes.indices.filter { sizes[$0] >= least }
    #expect(kept.count == 3)
    let rules = PersonRules(minScore: 0, minSize: .pixels(least), maxOverlap: 1)
    let some = try #require(
      try result(test, test.photo.logits(), found: others, persons: rules).persons)
    #expect(some.list == kept.map { persons.list[$0] })
    let ofKept = [0: 0].merging(zip(kept.map { $0 + 1 }, 1...)) { $1 }
    #expect(some.map.pixels == persons.map.pixels.map { UInt8(ofKept[Int($0)] ?? 0) })
  }

  @Test func withoutCropsThereIsTheWholePhotoOrNothing() throws {
    for test in Self.cases {
      let alone = Case(photo: test.photo, boxes: [], outside: test.outside)
      let found = try result(alone, test.photo.logits())
      if test.outside == .background {
        #expect(found.labels.pixels.allSatisfy { $0 == 0 } && found.classScores[0] == 1)
        #expect(found.persons?.list == [])
      } else {
        #expect(Set(found.labels.pixels).count >= 4)
      }
    }
  }

  @Test func aBoxIsWidenedAsFarAsThereIsPhoto() {
    func widened(_ x: Int, _ y: Int, _ width: Int, _ height: Int, _ share: Double) -> [Int] {
      let box = Instance.Box(x: x, y: y, width: width, height: height)
        .widened(by: share, within: 100, 80)
      return [box.x, box.y, box.width, box.height]
    }
    #expect(widened(20, 30, 40, 20, 0.1) == [16, 28, 48, 24])
    #expect(widened(0, 70, 100, 10, 0.1) == [0, 69, 100, 11])
    #expect(widened(20, 30, 40, 20, 0) == [20, 30, 40, 20])
  }

  @Test func whatIsNoNumberIsTold() throws {
    let test = Self.cases[0]
    var logits = try test.photo.logits()
    logits[logits.count - 3] = .nan
    let failure = #expect(throws: FileFailure.self) { try result(test, logits) }
    #expect(failure?.message.contains("preprocess.mean and preprocess.std") == true)
  }
}
