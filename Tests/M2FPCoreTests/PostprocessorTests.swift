import CPostprocess
import Foundation
import M2FPCore
import TestSupport
import Testing

/// A network's output with its own memory: blobs at random places, so that masks have insides,
/// outsides and overlaps.
struct SyntheticOutput {
  let queries: Int
  let classes: Int
  let maskWidth: Int
  let maskHeight: Int
  var classLogits: [Float]
  var maskLogits: [Float]

  init(queries: Int, classes: Int, maskWidth: Int, maskHeight: Int) {
    self.queries = queries
    self.classes = classes
    self.maskWidth = maskWidth
    self.maskHeight = maskHeight
    classLogits = [Float](repeating: 0, count: queries * classes)
    maskLogits = [Float](repeating: 0, count: queries * maskWidth * maskHeight)
  }

  static func blobs(
    seed: UInt64, queries: Int, classes: Int, maskWidth: Int, maskHeight: Int
  ) -> SyntheticOutput {
    var random = SplitMix64(seed: seed)
    var output = SyntheticOutput(
      queries: queries, classes: classes, maskWidth: maskWidth, maskHeight: maskHeight)
    for index in output.classLogits.indices { output.classLogits[index] = random.next(-2, 2) }
    for query in 0..<queries {
      // Most queries are sure of one class, a few of none, a few waver between two.
      let sure = Int(random.next(0, Float(classes)))
      output.classLogits[query * classes + sure] += random.next(2, 9)
      let centreX = random.next(0, Float(maskWidth))
      let centreY = random.next(0, Float(maskHeight))
      let radius = random.next(1, Float(max(maskWidth, maskHeight)) / 2)
      let steepness = random.next(0.3, 3)
      let stretch = random.next(0.4, 2)
      for y in 0..<maskHeight {
        for x in 0..<maskWidth {
          let dx = (Float(x) - centreX) * stretch
          let dy = Float(y) - centreY
          let distance = (dx * dx + dy * dy).squareRoot()
          output.maskLogits[(query * maskHeight + y) * maskWidth + x] =
            (radius - distance) * steepness + random.next(-0.8, 0.8)
        }
      }
    }
    return output
  }

  func withOutput<Result>(_ body: (NetworkOutput) throws -> Result) rethrows -> Result {
    try classLogits.withUnsafeBufferPointer { classLogits in
      try maskLogits.withUnsafeBufferPointer { maskLogits in
        try body(
          NetworkOutput(tensors: [
            .init(shape: [1, queries, classes], values: classLogits),
            .init(shape: [1, queries, maskHeight, maskWidth], values: maskLogits),
          ]))
      }
    }
  }
}

extension SplitMix64 {
  fileprivate mutating func next(_ low: Float, _ high: Float) -> Float {
    Float.random(in: low..<high, using: &self)
  }
}

func contract(_ postprocess: ModelContract.Postprocess, classes count: Int = 5) -> ModelContract {
  ModelContract(
    model: "test", classes: (0..<count).map { "class \($0)" },
    palette: (0..<count).map { RGB(UInt8($0), 0, 0) },
    preprocess: ModelContract.Preprocess(
      geometry: .multi(shortSide: 640, maxSide: 1333), divisor: 32, mean: [0, 0, 0],
      std: [1, 1, 1]),
    postprocess: postprocess, licence: "test", commercialUse: true, sourceSHA256: "seed:0",
    torchVersion: "1.13.1")
}

private let rules = ModelContract.InstanceRules(
  topK: 40, partScoreThreshold: 0.1, humanScoreThreshold: 0.1, semanticScoreThreshold: 0.5,
  maskThreshold: 0.5)
private let instances = ModelContract.Postprocess.instances(rules)

/// Image sizes below, at and above the network's, tall, wide and thin; padding right and bottom.
private let multiGeometries = [
  NetworkGeometry(
    imageWidth: 64, imageHeight: 64, contentWidth: 64, contentHeight: 64, offsetX: 0, offsetY: 0,
    inputWidth: 64, inputHeight: 64),
  NetworkGeometry(
    imageWidth: 37, imageHeight: 53, contentWidth: 80, contentHeight: 115, offsetX: 0, offsetY: 0,
    inputWidth: 96, inputHeight: 128),
  NetworkGeometry(
    imageWidth: 203, imageHeight: 140, contentWidth: 93, contentHeight: 64, offsetX: 0,
    offsetY: 0, inputWidth: 96, inputHeight: 64),
  NetworkGeometry(
    imageWidth: 700, imageHeight: 44, contentWidth: 160, contentHeight: 10, offsetX: 0,
    offsetY: 0, inputWidth: 160, inputHeight: 32),
  NetworkGeometry(
    imageWidth: 1, imageHeight: 200, contentWidth: 1, contentHeight: 200, offsetX: 0, offsetY: 0,
    inputWidth: 32, inputHeight: 224),
  // Several times the content, where patches are settled at once.
  NetworkGeometry(
    imageWidth: 211, imageHeight: 166, contentWidth: 61, contentHeight: 48, offsetX: 0, offsetY: 0,
    inputWidth: 64, inputHeight: 64),
  NetworkGeometry(
    imageWidth: 400, imageHeight: 90, contentWidth: 31, contentHeight: 7, offsetX: 0, offsetY: 0,
    inputWidth: 32, inputHeight: 32),
]

private let singleGeometries = [
  // Several times the content, where most columns are between two classes.
  NetworkGeometry(
    imageWidth: 349, imageHeight: 500, contentWidth: 43, contentHeight: 62, offsetX: 0, offsetY: 0,
    inputWidth: 64, inputHeight: 64),
  NetworkGeometry(
    imageWidth: 64, imageHeight: 96, contentWidth: 64, contentHeight: 96, offsetX: 0, offsetY: 0,
    inputWidth: 64, inputHeight: 96),
  NetworkGeometry(
    imageWidth: 90, imageHeight: 200, contentWidth: 43, contentHeight: 96, offsetX: 10,
    offsetY: 0, inputWidth: 64, inputHeight: 96),
  NetworkGeometry(
    imageWidth: 21, imageHeight: 33, contentWidth: 21, contentHeight: 33, offsetX: 21,
    offsetY: 31, inputWidth: 64, inputHeight: 96),
  NetworkGeometry(
    imageWidth: 2, imageHeight: 60, contentWidth: 2, contentHeight: 60, offsetX: 31, offsetY: 18,
    inputWidth: 64, inputHeight: 96),
]

private func blobs(seed: UInt64, _ geometry: NetworkGeometry, classes: Int) -> SyntheticOutput {
  SyntheticOutput.blobs(
    seed: seed, queries: 24, classes: classes, maskWidth: geometry.inputWidth / 4,
    maskHeight: geometry.inputHeight / 4)
}

/// Large enough for several shares of the work, and no width a multiple of a vector.
private let largeGeometries = [
  NetworkGeometry(
    imageWidth: 331, imageHeight: 290, contentWidth: 183, contentHeight: 160, offsetX: 0,
    offsetY: 0, inputWidth: 192, inputHeight: 160),
  NetworkGeometry(
    imageWidth: 701, imageHeight: 525, contentWidth: 213, contentHeight: 160, offsetX: 0,
    offsetY: 0, inputWidth: 224, inputHeight: 160),
]

@Suite(.serialized) struct PostprocessorTests {
  @Test(arguments: multiGeometries) func everyProcessorGivesTheSame(_ geometry: NetworkGeometry)
    throws
  {
    let postprocessor = Postprocessor(contract: contract(instances), threads: 1)
    try blobs(seed: 4, geometry, classes: 7).withOutput { output in
      let best = try postprocessor.run(output, geometry: geometry, persons: nil)
      m2fp_post_use_plain_kernels(1)
      defer { m2fp_post_use_plain_kernels(0) }
      let plain = try postprocessor.run(output, geometry: geometry, persons: nil)
      #expect(best.labels == plain.labels)
      #expect(best.parts == plain.parts && best.humans == plain.humans)
    }
  }

  @Test(arguments: multiGeometries) func parsingEqualsTheNaiveVersion(_ geometry: NetworkGeometry)
    throws
  {
    // One postprocessor for all, so that what an image leaves behind would show in the next.
    let postprocessor = Postprocessor(contract: contract(instances), threads: 1)
    var instancesSeen = 0
    for seed in 1...3 as ClosedRange<UInt64> {
      let output = blobs(seed: seed, geometry, classes: 7)
      let (found, expected) = try output.withOutput { network in
        (
          try postprocessor.run(network, geometry: geometry, persons: nil),
          NaivePostprocess.parsing(output, geometry, rules)
        )
      }
      for (found, expected) in [(found.parts, expected.parts), (found.humans, expected.humans)] {
        #expect(found.map(\.query) == expected.map(\.query))
        #expect(found.map(\.classIndex) == expected.map(\.classIndex))
        for (a, b) in zip(found, expected) {
          #expect(abs(Double(a.score) - b.score) < 1e-5)
          #expect(abs(Double(a.classScore) - b.classScore) < 1e-5)
          let inside = b.mask.values.indices.filter { b.mask.values[$0] > 0 }
          let xs = inside.map { $0 % geometry.imageWidth }
          let ys = inside.map { $0 / geometry.imageWidth }
          #expect(abs(a.pixelCount - inside.count) <= inside.count / 1000)
          #expect(a.box?.x == xs.min())
          #expect(a.box?.y == ys.min())
          #expect(a.box.map { $0.x + $0.width - 1 } == xs.max())
          #expect(a.box.map { $0.y + $0.height - 1 } == ys.max())
        }
        instancesSeen += found.count
      }
      // Where the decision is not within rounding, the label must be the same.
      for (pixel, margin) in expected.margins.enumerated() where margin > 1e-5 {
        if found.labels.pixels[pixel] != expected.labels[pixel] {
          Issue.record("pixel \(pixel): \(found.labels.pixels[pixel]) \(expected.labels[pixel])")
          break
        }
      }
      let wrong = zip(found.labels.pixels, expected.labels).count { $0 != $1 }
      #expect(wrong <= expected.labels.count / 10_000)
      for label in 0..<5 {
        let count = found.labels.pixels.count { $0 == UInt8(label) }
        #expect(found.classPixelCounts[label] == count)
        #expect(label == 0 || (found.classScores[label] != nil) == (count > 0))
      }
    }
    #expect(instancesSeen > 20)
  }

  @Test(arguments: singleGeometries) func semanticEqualsTheNaiveVersion(
    _ geometry: NetworkGeometry
  ) throws {
    let postprocessor = Postprocessor(contract: contract(.querySemantic), threads: 1)
    var classesSeen: Set<UInt8> = []
    for seed in 1...3 as ClosedRange<UInt64> {
      let output = blobs(seed: seed, geometry, classes: 6)
      let (found, expected) = try output.withOutput { network in
        (
          try postprocessor.run(network, geometry: geometry, persons: .all),
          NaivePostprocess.semantic(output, geometry)
        )
      }
      for (pixel, margin) in expected.margins.enumerated() where margin > 1e-4 {
        if found.labels.pixels[pixel] != expected.labels[pixel] {
          Issue.record("pixel \(pixel): \(found.labels.pixels[pixel]) \(expected.labels[pixel])")
          break
        }
      }
      let wrong = zip(found.labels.pixels, expected.labels).count { $0 != $1 }
      #expect(wrong <= expected.labels.count / 10_000)
      for (a, b) in zip(found.classScores, expected.scores) {
        #expect((a == nil) == (b == nil))
        if let a, let b { #expect(abs(Double(a) - b) < 1e-4) }
      }
      #expect(found.persons?.map.pixels == found.labels.pixels.map { $0 == 0 ? 0 : 1 })
      classesSeen.formUnion(found.labels.pixels)
    }
    #expect(classesSeen.count >= 3)
  }

  @Test(arguments: multiGeometries + largeGeometries, [instances, .querySemantic])
  func threadsDoNotChangeResults(
    _ geometry: NetworkGeometry, _ postprocess: ModelContract.Postprocess
  ) throws {
    let contract = contract(postprocess)
    let postprocessors = [1, 2, 3].map { Postprocessor(contract: contract, threads: $0) }
    // Some humans have to make way for better ones.
    let persons = PersonRules(minScore: 0, minSize: .pixels(20), maxOverlap: 0.3)
    for seed in 1...2 as ClosedRange<UInt64> {
      try blobs(seed: seed, geometry, classes: contract.networkClasses).withOutput { output in
        let results = try postprocessors.map {
          try $0.run(output, geometry: geometry, persons: persons)
        }
        #expect(results[1] == results[0] && results[2] == results[0])
      }
    }
  }

  /// 8 × 8 masks, each of one logit on the columns `from...` and −20 before, for an image of 32 × 32.
  private func run(
    _ queries: [(probabilities: [Int: Float], logit: Float, from: Int)],
    _ rules: ModelContract.InstanceRules = rules
  ) throws -> ParsingResult {
    var output = SyntheticOutput(queries: queries.count, classes: 7, maskWidth: 8, maskHeight: 8)
    for (index, query) in queries.enumerated() {
      // Softmax of logarithms gives the probabilities back; "no object" takes the rest.
      let rest = 1 - query.probabilities.values.reduce(0, +)
      for label in 0..<7 {
        let probability = label == 6 ? rest : query.probabilities[label, default: 0]
        output.classLogits[index * 7 + label] = log(max(probability, 1e-30))
      }
      for cell in 0..<64 {
        output.maskLogits[index * 64 + cell] = cell % 8 < query.from ? -20 : query.logit
      }
    }
    let geometry = NetworkGeometry(
      imageWidth: 32, imageHeight: 32, contentWidth: 32, contentHeight: 32, offsetX: 0, offsetY: 0,
      inputWidth: 32, inputHeight: 32)
    return try output.withOutput {
      try Postprocessor(contract: contract(.instances(rules)), threads: 1).run(
        $0, geometry: geometry, persons: .all)
    }
  }

  @Test func scoresAreClassTimesMeanMaskProbability() throws {
    let result = try run([([3: 0.9], 2, 0), ([5: 0.8], 3, 0)])
    let part = try #require(result.parts.first)
    #expect(result.parts.count == 1 && part.classIndex == 3 && part.query == 0)
    #expect(abs(part.score - 0.9 * 0.880_797_1) < 1e-5)
    #expect(part.pixelCount == 1024)
    #expect(part.box == Instance.Box(x: 0, y: 0, width: 32, height: 32))
    let human = try #require(result.humans.first)
    #expect(abs(human.score - 0.8 * 0.952_574_1) < 1e-5)
    #expect(result.classPixelCounts == [0, 0, 0, 1024, 0])
    #expect(result.classScores[3] == part.score)
  }

  @Test func theMeanOfAClassCompetesNotItsBest() throws {
    // Pixel values: probability of the class × (mask probability)². Class 1's best is highest, but
    // its mean is below class 2.
    let rival: (probabilities: [Int: Float], logit: Float, from: Int) = ([2: 0.9], 4, 0)
    let best: (probabilities: [Int: Float], logit: Float, from: Int) = ([1: 0.98], 6, 0)
    try #expect(run([best, rival]).classPixelCounts == [0, 1024, 0, 0, 0])
    try #expect(run([best, rival, ([1: 0.7], 3, 0)]).classPixelCounts == [0, 0, 1024, 0, 0])
    // A third instance below the pixel threshold does not pull the mean down.
    try #expect(run([best, rival, ([1: 0.6], 1.9, 0)]).classPixelCounts == [0, 1024, 0, 0, 0])
  }

  @Test func ofEqualsTheLowestClassStays() throws {
    try #expect(run([([4: 0.9], 4, 0), ([2: 0.9], 4, 0)]).classPixelCounts == [0, 0, 1024, 0, 0])
    try #expect(run([([4: 0.9], 4, 0), ([0: 0.9], 4, 0)]).classPixelCounts == [1024, 0, 0, 0, 0])
  }

  @Test func theBackgroundCompetesButIsNoPart() throws {
    let result = try run([([0: 0.95], 6, 0), ([3: 0.8], 4, 0)])
    #expect(result.classPixelCounts == [1024, 0, 0, 0, 0])
    #expect(result.parts.map(\.classIndex) == [3])
  }

  @Test func aQueryCanBeTwoClasses() throws {
    let result = try run([([1: 0.3, 2: 0.6], 5, 4)])
    #expect(result.parts.map(\.classIndex) == [2, 1])
    #expect(result.parts.map(\.query) == [0, 0])
    // Below the semantic threshold an instance is a part and nothing more.
    #expect(result.classScores[1] == nil)
    #expect(result.classPixelCounts[2] > 0)
  }

  @Test func onlyTheBestPairsAreLookedAt() throws {
    var few = rules
    few.topK = 2
    let result = try run([([1: 0.5, 2: 0.45], 5, 0), ([3: 0.9], 5, 0)], few)
    #expect(result.parts.map(\.classIndex) == [3, 1])
  }

  @Test func theBestHumanLiesOnTop() throws {
    let result = try run([([5: 0.7], 5, 0), ([5: 0.9], 5, 4)])
    #expect(result.humans.map(\.query) == [1, 0])
    let persons = try #require(result.persons?.map)
    #expect(persons.pixels.prefix(32).first == 2)
    #expect(persons.pixels.prefix(32).last == 1)
    let box = try #require(result.humans.first?.box)
    #expect(box.x + box.width == 32 && box.height == 32)
    #expect(persons.pixels.prefix(32).firstIndex(of: 1) == box.x)
  }

  @Test func nothingFoundIsBackground() throws {
    let result = try run([([:], 5, 0), ([1: 0.05], 5, 0), ([1: 0.9], -3, 0)])
    #expect(result.parts.isEmpty && result.humans.isEmpty)
    #expect(result.classPixelCounts == [1024, 0, 0, 0, 0])
    #expect(result.classScores.allSatisfy { $0 == nil })
  }

  @Test func interpolatesInTwoStepsByHand() throws {
    // One row of the mask goes −20 … −20, 5 … 5: the input's pixel i lies at (i + 0.5) / 4 − 0.5 of
    // the mask, so that from cell 3 to cell 4 the pixels 14–17 have 1/8, 3/8, 5/8, 7/8 of the way:
    // −16.9, −10.6, −4.4, 1.9. The image is of the input's size.
    let result = try run([([1: 0.9], 5, 4)])
    let part = try #require(result.parts.first)
    #expect(part.box == Instance.Box(x: 17, y: 0, width: 15, height: 32))
    #expect(part.pixelCount == 15 * 32)
    // Pixel 17 has 0.8670, the other 14 columns 0.993307.
    #expect(abs(part.score - 0.9 * (0.867_036 + 14 * 0.993_307) / 15) < 1e-4)
  }
}
