import CRowKernels

/// Which of the humans that a network proposes are taken for persons.
public struct PersonRules: Sendable, Equatable {
  /// The least size of a person.
  public enum Size: Sendable, Equatable {
    /// Pixels of the image.
    case pixels(Int)
    /// Of all pixels of the image, 0 to 1.
    case share(Double)

    func pixels(of total: Int) -> Int {
      switch self {
      case .pixels(let count): max(1, count)
      case .share(let share): max(1, Int((share * Double(total)).rounded(.up)))
      }
    }
  }

  /// A human scores at least this.
  public var minScore: Float
  /// What is seen of a person, others on top of it, is at least this.
  public var minSize: Size
  /// Of a human at most this share may lie under better ones; beyond it, it is taken for one of
  /// them found twice. 1 keeps all, as upstream's evaluator does.
  public var maxOverlap: Float

  public init(minScore: Float, minSize: Size, maxOverlap: Float) {
    self.minScore = minScore
    self.minSize = minSize
    self.maxOverlap = maxOverlap
  }

  /// Every human that the model's own thresholds let through, as upstream's evaluator has them.
  public static let all = PersonRules(minScore: 0, minSize: .pixels(1), maxOverlap: 1)
}

/// A person with the parts that belong to it.
public struct Person: Sendable, Equatable {
  /// What the class map says within the person.
  public struct Part: Sendable, Equatable {
    public let classIndex: Int
    /// The best score of the class's instances that reach into the person; nil if none does.
    public let score: Float?
    public let pixelCount: Int
    public let box: Instance.Box

    public init(classIndex: Int, score: Float?, pixelCount: Int, box: Instance.Box) {
      self.classIndex = classIndex
      self.score = score
      self.pixelCount = pixelCount
      self.box = box
    }
  }

  /// The score of the human instance; of a single-human model the mean score of the parts.
  public let score: Float
  /// Upstream's score of a parsing: the human's score times the mean score of the parts that have
  /// one; 0 if none has.
  public let parsingScore: Float
  /// Pixels of the person that are seen.
  public let pixelCount: Int
  /// The box round them.
  public let box: Instance.Box
  /// By class; the background left out.
  public let parts: [Part]

  public init(
    score: Float, parsingScore: Float, pixelCount: Int, box: Instance.Box, parts: [Part]
  ) {
    self.score = score
    self.parsingScore = parsingScore
    self.pixelCount = pixelCount
    self.box = box
    self.parts = parts
  }
}

/// The persons of an image.
public struct Persons: Sendable, Equatable {
  /// The person each pixel belongs to: `k` for `list[k - 1]`, 0 for none. Where humans overlap, the
  /// one with the best score.
  public let map: LabelMap
  /// By descending score; at most 255.
  public let list: [Person]

  public init(map: LabelMap, list: [Person]) {
    self.map = map
    self.list = list
  }
}

extension Persons {
  /// Paints humans one over another, the best on top, and gives each the parts of the class map
  /// that lie within it (upstream's evaluator, `m2fp/evaluation/parsing_evaluation.py`).
  ///
  /// - Parameters:
  ///   - humans: By descending score.
  ///   - merged: The instances that `labels` was merged from, by descending score.
  ///   - labels: The class map.
  ///   - classes: How many classes there are.
  ///   - maskLogits: The masks of all queries.
  ///   - maskSize: Cells a mask.
  ///   - maskThreshold: A pixel belongs to an instance where probability × score exceeds it.
  ///   - rules: Which humans to keep.
  ///   - sampler: Prepared for these masks.
  /// - Returns: The persons, best first.
  static func assemble(
    humans: [Instance], merged: [Instance], labels: LabelMap, classes: Int,
    maskLogits: UnsafePointer<Float>, maskSize: Int, maskThreshold: Float, rules: PersonRules,
    sampler: inout MaskSampler
  ) -> Persons {
    let (width, height) = (labels.width, labels.height)
    let least = rules.minSize.pixels(of: width * height)
    var kept: [Instance] = []
    let map = filledMap(width, height) { map in
      // The best first, each under those before it: what is seen of it is known at once.
      for human in humans where human.score >= rules.minScore && kept.count < 255 {
        let id = UInt8(kept.count + 1)
        let logits = maskLogits + human.query * maskSize
        var seen = 0
        sampler.forEachRow(of: logits, above: 0, width: width) { row, range, offset in
          seen += Int(
            m2fp_paint_row(
              &row, Int32(range.lowerBound), Int32(range.upperBound), id, map + offset))
        }
        let covered = human.pixelCount - seen
        if seen >= least, Float(covered) <= rules.maxOverlap * Float(human.pixelCount) {
          kept.append(human)
        } else {
          sampler.forEachRow(of: logits, above: 0, width: width) { _, range, offset in
            disclaimRow(range, id, map + offset)
          }
        }
      }
    }
    var scores = [Float?](repeating: nil, count: (kept.count + 1) * classes)
    var valueBuffer = ScratchBuffer<Float>()
    let values = valueBuffer.reserve(MaskSampler.stripWidth + MaskSampler.lanes)
    map.labels.withUnsafeBufferPointer { map in
      guard let map = map.baseAddress, !kept.isEmpty else { return }
      for instance in merged where instance.classIndex != 0 {
        let threshold = logitBounds(maskThreshold / instance.score).low
        sampler.forEachRow(
          of: maskLogits + instance.query * maskSize, above: threshold, width: width
        ) { row, range, offset in
          m2fp_blend_row(&row, Int32(range.lowerBound), Int32(range.upperBound), values)
          // Past the end of a strip there is no pixel, and maybe no byte.
          let end = min(range.upperBound, width * height - offset)
          for x in range.lowerBound..<max(end, range.lowerBound) where values[x] > threshold {
            let index = Int(map[offset + x]) * classes + instance.classIndex
            // By descending score: the first to come is the best.
            if scores[index] == nil { scores[index] = instance.score }
          }
        }
      }
    }
    let tallies = PartTally.count(labels: labels, map: map, persons: kept.count, classes: classes)
    return Persons(
      map: map,
      list: kept.enumerated().compactMap { index, human in
        let first = (index + 1) * classes
        return Person(
          score: human.score, tallies: tallies[first..<first + classes],
          scores: scores[first..<first + classes])
      })
  }

  /// Everything that a single-human model has labelled, as one person.
  static func single(
    labels: LabelMap, classScores: [Float?], rules: PersonRules
  ) -> Persons {
    let classes = classScores.count
    let none = LabelMap(
      width: labels.width, height: labels.height,
      labels: [UInt8](repeating: 0, count: labels.labels.count))
    let map = LabelMap(
      width: labels.width, height: labels.height,
      labels: labels.labels.map { $0 == 0 ? 0 : 1 })
    let tallies = PartTally.count(labels: labels, map: map, persons: 1, classes: classes)
    let scores = classScores.dropFirst().compactMap(\.self)
    guard !scores.isEmpty else { return Persons(map: none, list: []) }
    let score = scores.reduce(0, +) / Float(scores.count)
    guard
      let person = Person(
        score: score, tallies: tallies[classes...], scores: classScores[...], isSingle: true),
      person.pixelCount >= rules.minSize.pixels(of: labels.labels.count),
      score >= rules.minScore
    else { return Persons(map: none, list: []) }
    return Persons(map: map, list: [person])
  }
}

extension Person {
  /// Sums up a person's parts; nil if there is no pixel.
  ///
  /// - Parameters:
  ///   - score: How sure the person is.
  ///   - tallies: One for each class, the background's first.
  ///   - scores: One for each class.
  ///   - isSingle: Whether `score` is already made of the parts' scores.
  fileprivate init?(
    score: Float, tallies: ArraySlice<PartTally>, scores: ArraySlice<Float?>,
    isSingle: Bool = false
  ) {
    var whole = PartTally()
    for tally in tallies { whole.form(union: tally) }
    guard let box = whole.box else { return nil }
    let parts = zip(tallies, scores).enumerated().dropFirst().compactMap { index, found -> Part? in
      found.0.box.map {
        Part(classIndex: index, score: found.1, pixelCount: found.0.count, box: $0)
      }
    }
    let partScores = parts.compactMap(\.score)
    let mean = partScores.isEmpty ? 0 : partScores.reduce(0, +) / Float(partScores.count)
    self.init(
      score: score, parsingScore: isSingle ? score : score * mean, pixelCount: whole.count,
      box: box, parts: parts)
  }
}

/// Pixels of one class within one person, and where they lie.
struct PartTally {
  private(set) var count = 0
  private var minX = Int.max
  private var maxX = -1
  private var minY = Int.max
  private var maxY = -1

  var box: Instance.Box? {
    count == 0
      ? nil
      : Instance.Box(x: minX, y: minY, width: maxX - minX + 1, height: maxY - minY + 1)
  }

  mutating func add(row y: Int, _ columns: Range<Int>) {
    count += columns.count
    minX = min(minX, columns.lowerBound)
    maxX = max(maxX, columns.upperBound - 1)
    minY = min(minY, y)
    maxY = max(maxY, y)
  }

  mutating func form(union other: PartTally) {
    count += other.count
    minX = min(minX, other.minX)
    maxX = max(maxX, other.maxX)
    minY = min(minY, other.minY)
    maxY = max(maxY, other.maxY)
  }

  /// Tallies of all pairs, `classes` for each person, those of no person first.
  static func count(
    labels: LabelMap, map: LabelMap, persons: Int, classes: Int
  ) -> [PartTally] {
    var tallies = [PartTally](repeating: PartTally(), count: (persons + 1) * classes)
    forEachRun(labels, map) { y, columns, label, id in
      tallies[Int(id) * classes + Int(label)].add(row: y, columns)
    }
    return tallies
  }
}

/// Calls `body` for each stretch of a row in which neither of two maps of one size changes.
package func forEachRun(
  _ one: LabelMap, _ other: LabelMap,
  _ body: (_ y: Int, _ columns: Range<Int>, _ one: UInt8, _ other: UInt8) -> Void
) {
  precondition(one.width == other.width && one.height == other.height)
  one.labels.withUnsafeBufferPointer { ones in
    other.labels.withUnsafeBufferPointer { others in
      guard let ones = ones.baseAddress, let others = others.baseAddress else { return }
      for y in 0..<one.height {
        let (ones, others) = (ones + y * one.width, others + y * one.width)
        var start = 0
        while start < one.width {
          let (a, b) = (ones[start], others[start])
          var end = start + 1
          // Neighbours are mostly alike: 16 at a time where they are.
          while end + 16 <= one.width,
            loadBytes(ones + end) == SIMD16(repeating: a),
            loadBytes(others + end) == SIMD16(repeating: b)
          {
            end += 16
          }
          while end < one.width, ones[end] == a, others[end] == b { end += 1 }
          body(y, start..<end, a, b)
          start = end
        }
      }
    }
  }
}

extension MaskSampler {
  /// Computes all rows of a mask that may exceed `threshold`, strip by strip. Uses region slot 0.
  ///
  /// - Parameters:
  ///   - logits: The mask's cells.
  ///   - threshold: Values up to this are of no interest.
  ///   - width: The image's.
  ///   - body: Called with a row, the range of indices that may exceed the threshold, and the pixel
  ///     that index 0 stands for.
  fileprivate mutating func forEachRow(
    of logits: UnsafePointer<Float>, above threshold: Float, width: Int,
    _ body: (_ row: inout m2fp_row, _ range: Range<Int>, _ offset: Int) -> Void
  ) {
    let region = region(of: logits, above: threshold, slot: 0)
    var left = region.columns.lowerBound
    while left < region.columns.upperBound {
      let columns = left..<min(left + Self.stripWidth, width)
      forEachRow(of: region, rows: region.rows, columns: columns) { y, range, row in
        body(&row, range, y * width + left)
      }
      left = columns.upperBound
    }
  }
}

/// Sets what has an id to 0 again.
private func disclaimRow(_ range: Range<Int>, _ id: UInt8, _ map: UnsafeMutablePointer<UInt8>) {
  for x in stride(from: range.lowerBound, to: range.upperBound, by: MaskSampler.lanes) {
    let ids = loadBytes(map + x)
    storeBytes(ids.replacing(with: 0, where: ids .== SIMD16(repeating: id)), map + x)
  }
}
