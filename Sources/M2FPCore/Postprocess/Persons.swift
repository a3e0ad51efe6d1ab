import CPostprocess
import Synchronization

/// Which of the humans that a network proposes are taken for persons.
public struct PersonRules: Sendable, Equatable {
  /// The least size of a person.
  public enum Size: Sendable, Equatable {
    /// Pixels of the image.
    case pixels(Int)
    /// Of all pixels of the image, 0 to 1.
    case share(Double)

    package func pixels(of total: Int) -> Int {
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

  /// Those that count where nobody says otherwise: the model's own score for its colour map, a
  /// thousandth of the image, and half of it not under others.
  public static func standard(_ contract: ModelContract) -> PersonRules {
    PersonRules(
      minScore: contract.postprocess.instanceRules?.semanticScoreThreshold ?? 0,
      minSize: .share(0.001), maxOverlap: 0.5)
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
  /// By descending score; at most ``most``.
  public let list: [Person]
  /// What a pixel of the map can tell apart.
  package static let most = 255

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
  ///   - masks: The masks of the humans' queries.
  ///   - partMasks: The masks that `labels` was merged from.
  ///   - maskThreshold: A pixel belongs to an instance where probability × score exceeds it.
  ///   - rules: Which humans to keep.
  ///   - team: The threads.
  /// - Returns: The persons, best first.
  static func assemble(
    humans: [Instance], merged: [MergedInstance], labels: LabelMap, classes: Int, masks: Masks,
    partMasks: Masks, maskThreshold: Float, rules: PersonRules, team: ThreadTeam<Workspace>
  ) -> Persons {
    let (width, height) = (labels.width, labels.height)
    let least = rules.minSize.pixels(of: width * height)
    var kept: [Instance] = []
    let map = team.filledMap(width, height) { map in
      /// Walks the rows of a human on all threads.
      func forEachRow(
        of human: Instance,
        _ body: (_ row: inout m2fp_post_row, _ range: Range<Int>, _ offset: Int) -> Void
      ) {
        team.forEachChunk(height, chunksOf: 64) { memory, rows in
          memory.sampler.prepare(masks, regions: 1)
          memory.sampler.forEachRow(
            of: masks[human.query], above: 0, rows: rows, width: width, body)
        }
      }
      // The best first, each under those before it: what is seen of it is known at once.
      for human in humans where human.score >= rules.minScore && kept.count < most {
        let id = UInt8(kept.count + 1)
        let seenPixels = Atomic<Int>(0)
        forEachRow(of: human) { row, range, offset in
          let count = m2fp_post_paint_row(
            &row, Int32(range.lowerBound), Int32(range.upperBound), id, map + offset)
          seenPixels.wrappingAdd(Int(count), ordering: .relaxed)
        }
        let seen = seenPixels.load(ordering: .relaxed)
        let covered = human.pixelCount - seen
        if seen >= least, Float(covered) <= rules.maxOverlap * Float(human.pixelCount) {
          kept.append(human)
        } else {
          forEachRow(of: human) { _, range, offset in disclaimRow(range, id, map + offset) }
        }
      }
    }
    let scores = Locked([Float?](repeating: nil, count: (kept.count + 1) * classes))
    map.pixels.withUnsafeBufferPointer { ids in
      guard let ids = ids.baseAddress, !kept.isEmpty else { return }
      let parts = merged.filter { $0.classIndex != 0 }
      team.forEachChunk(parts.count, chunksOf: 1) { memory, shares in
        memory.sampler.prepare(partMasks, regions: 1)
        for part in shares.joined().lazy.map({ parts[$0] }) {
          // For each id, whether the part reaches into it.
          var reached = [UInt8](repeating: 0, count: 256)
          let threshold = logitBounds(maskThreshold / part.score).low
          memory.sampler.forEachRow(
            of: partMasks[part.mask], above: threshold, rows: CollectionOfOne(0..<height),
            width: width
          ) { row, range, offset in
            m2fp_post_reach_row(
              &row, Int32(range.lowerBound), Int32(range.upperBound), threshold, ids + offset,
              &reached)
          }
          scores.withLock { scores in
            for id in 0...kept.count where reached[id] != 0 {
              let index = id * classes + part.classIndex
              scores[index] = max(scores[index] ?? 0, part.score)
            }
          }
        }
      }
    }
    let tallies = PartTally.count(labels: labels, map: map, persons: kept.count, classes: classes)
    let best = scores.withLock(\.self)
    return Persons(
      map: map,
      list: kept.enumerated().compactMap { index, human in
        let first = (index + 1) * classes
        return Person(
          score: human.score, tallies: tallies[first..<first + classes],
          scores: best[first..<first + classes])
      })
  }

  /// The same persons with the parts that another network's class map shows within them: of each remain
  /// the pixels that it labels.
  ///
  /// - Parameters:
  ///   - labels: The class map, of the same size.
  ///   - classScores: One for each class; persons' parts have their class's.
  ///   - rules: Who is left out, where too little remains.
  /// - Returns: The persons, in the same order.
  func parsed(_ labels: LabelMap, classScores: [Float?], rules: PersonRules) -> Persons {
    let classes = classScores.count
    let seen = LabelMap(
      width: map.width, height: map.height,
      pixels: zip(map.pixels, labels.pixels).map { id, label in label == 0 ? 0 : id })
    let tallies = PartTally.count(labels: labels, map: seen, persons: list.count, classes: classes)
    let least = rules.minSize.pixels(of: labels.pixels.count)
    var kept: [Person] = []
    var ids = [UInt8](repeating: 0, count: 256)
    for (index, found) in list.enumerated() {
      let first = (index + 1) * classes
      let person = Person(
        score: found.score, tallies: tallies[first..<first + classes], scores: classScores[...])
      guard let person, person.pixelCount >= least else { continue }
      kept.append(person)
      ids[index + 1] = UInt8(kept.count)
    }
    guard kept.count < list.count else { return Persons(map: seen, list: kept) }
    return Persons(
      map: LabelMap(
        width: seen.width, height: seen.height, pixels: seen.pixels.map { ids[Int($0)] }),
      list: kept)
  }

  /// Everything that a single-human model has labelled, as one person.
  static func single(
    labels: LabelMap, classScores: [Float?], rules: PersonRules, team: ThreadTeam<Workspace>
  ) -> Persons {
    let classes = classScores.count
    var none: Persons {
      Persons(map: team.filledMap(labels.width, labels.height) { _ in }, list: [])
    }
    let map = LabelMap(
      width: labels.width, height: labels.height,
      pixels: labels.pixels.map { $0 == 0 ? 0 : 1 })
    let tallies = PartTally.count(labels: labels, map: map, persons: 1, classes: classes)
    let scores = classScores.dropFirst().compactMap(\.self)
    guard !scores.isEmpty else { return none }
    let score = scores.reduce(0, +) / Float(scores.count)
    guard
      let person = Person(
        score: score, tallies: tallies[classes...], scores: classScores[...], isSingle: true),
      person.pixelCount >= rules.minSize.pixels(of: labels.pixels.count),
      score >= rules.minScore
    else { return none }
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
  init?(
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
  one.pixels.withUnsafeBufferPointer { ones in
    other.pixels.withUnsafeBufferPointer { others in
      guard let ones = ones.baseAddress, let others = others.baseAddress else { return }
      for y in 0..<one.height {
        let (ones, others) = (ones + y * one.width, others + y * one.width)
        var start = 0
        while start < one.width {
          let (a, b) = (ones[start], others[start])
          var end = start + 1
          // Neighbours are mostly alike: 16 at a time where they are.
          while end + 16 <= one.width,
            areEqual(loadBytes(ones + end), SIMD16(repeating: a)),
            areEqual(loadBytes(others + end), SIMD16(repeating: b))
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
  /// Computes rows of a mask that may exceed `threshold`, strip by strip. Uses region slot 0.
  ///
  /// - Parameters:
  ///   - logits: The mask's cells.
  ///   - threshold: Values up to this are of no interest.
  ///   - rows: Which rows of the image to look at.
  ///   - width: The image's.
  ///   - body: Called with a row, the range of indices that may exceed the threshold, and the pixel
  ///     that index 0 stands for.
  fileprivate mutating func forEachRow(
    of logits: UnsafePointer<Float>, above threshold: Float, rows: some Sequence<Range<Int>>,
    width: Int, _ body: (_ row: inout m2fp_post_row, _ range: Range<Int>, _ offset: Int) -> Void
  ) {
    let region = region(of: logits, above: threshold, slot: 0)
    for rows in rows {
      var left = region.columns.lowerBound
      while left < region.columns.upperBound {
        let columns = left..<min(left + Self.stripWidth, width)
        forEachRow(of: region, rows: rows, columns: columns) { y, range, row in
          // Past the end there are other threads' pixels.
          body(&row, range.clamped(to: 0..<columns.count), y * width + left)
        }
        left = columns.upperBound
      }
    }
  }
}

/// Sets what has an id to 0 again.
private func disclaimRow(_ range: Range<Int>, _ id: UInt8, _ ids: UnsafeMutablePointer<UInt8>) {
  // Written whatever it is, which the compiler does by the vector.
  for x in range { ids[x] = ids[x] == id ? 0 : ids[x] }
}
