import M2FPCore

/// All that the measures need to know of one image. Images are looked at in any order, on any
/// thread, and added to an ``Evaluation``.
public struct ImageMetrics: Sendable {
  /// One found instance with the best IoU that it has with a true instance of its class.
  struct Detection: Sendable, Equatable {
    let score: Double
    let iou: Double
  }

  /// Found and true instances of one kind.
  struct Detections: Sendable, Equatable {
    var found: [Detection] = []
    var truths = 0
  }

  /// One found person with the true person whose parts it matches best.
  struct Parsing: Sendable, Equatable {
    let score: Double
    /// Which true person of the image; nil if there is none.
    let truth: Int?
    /// Mean IoU of the classes that either shows, the background among them.
    let meanIoU: Double
    /// The IoU of each part that either shows.
    let partIoUs: [Double]
    /// How many parts the true person shows.
    let trueParts: Int
  }

  let confusion: Confusion
  /// For each class; nil without true parts.
  let parts: [Detections]?
  /// Nil without true persons.
  let persons: Detections?
  /// Nil without true persons.
  let parsings: [Parsing]?

  /// Looks at one image.
  ///
  /// - Parameters:
  ///   - truth: What is true of it. Instance measures are taken of what it has.
  ///   - found: What was found; a kind of instance that is absent counts as nothing found.
  ///   - classes: The number of classes, the background included.
  /// - Throws: ``EvaluationError`` if sizes differ or a label is no class.
  public init(truth: GroundTruth, found: Prediction, classes: Int) throws(EvaluationError) {
    var confusion = Confusion(classes: classes)
    try confusion.add(truth: truth.labels, found: found.labels)
    self.confusion = confusion
    for (map, what) in [
      (truth.parts?.ids, "the map of true parts"), (truth.persons?.ids, "the map of true persons"),
      (found.parts?.ids, "the map of found parts"),
      (found.persons?.ids, "the map of found persons"),
      (found.parsings?.ids, "the map of found persons"),
    ] {
      if let map { try EvaluationError.check(map, against: truth.labels, what) }
    }
    parts = truth.parts.map { Self.detections($0, found.parts, classes: classes) }
    persons = truth.persons.map { Self.detections($0, found.persons, classes: 1)[0] }
    parsings = truth.persons.map { persons in
      PersonOverlaps(truth: truth.labels, persons: persons, found: found, classes: classes)
        .parsings()
    }
  }

  /// For each class the found instances with their best IoU, in the order of `found`.
  private static func detections(_ truth: InstanceMap, _ found: InstanceMap?, classes: Int)
    -> [Detections]
  {
    var result = [Detections](repeating: Detections(), count: classes)
    let overlaps = Overlaps(truth.ids, found?.ids)
    // An id that is listed twice, or has no pixel, is no truth.
    var seen: Set<Int> = []
    let truths = truth.instances.filter {
      $0.id != 0 && overlaps.trueArea[$0.id] != nil && seen.insert($0.id).inserted
    }
    // What a file lists may be of any class.
    for instance in truths where result.indices.contains(instance.classIndex) {
      result[instance.classIndex].truths += 1
    }
    for instance in found?.instances ?? [] where result.indices.contains(instance.classIndex) {
      let area = overlaps.foundArea[instance.id] ?? 0
      let best =
        truths.lazy.filter { $0.classIndex == instance.classIndex }.map { truth in
          let common = overlaps.common[Overlaps.Pair(truth: truth.id, found: instance.id)] ?? 0
          let union = (overlaps.trueArea[truth.id] ?? 0) + area - common
          return Double(common) / Double(union)
        }.max() ?? 0
      result[instance.classIndex].found.append(Detection(score: instance.score, iou: best))
    }
    return result
  }
}

/// How many pixels the instances of two maps have, and have in common.
private struct Overlaps {
  struct Pair: Hashable {
    let truth: Int
    let found: Int
  }

  private(set) var trueArea: [Int: Int] = [:]
  private(set) var foundArea: [Int: Int] = [:]
  private(set) var common: [Pair: Int] = [:]

  init(_ truth: IndexMap, _ found: IndexMap?) {
    Runs.each(truth.pixels.count) { index in
      Pair(truth: Int(truth.pixels[index]), found: found.map { Int($0.pixels[index]) } ?? 0)
    } count: { pair, pixels in
      common[pair, default: 0] += pixels
    }
    for (pair, pixels) in common {
      trueArea[pair.truth, default: 0] += pixels
      foundArea[pair.found, default: 0] += pixels
    }
  }
}

/// What the parts of true and found persons have in common.
///
/// Upstream compares whole images that show one person each: a pixel outside of the person is
/// background, also where the truth is unknown; unknown pixels of the true person itself do not
/// count.
private struct PersonOverlaps {
  private struct Key: Hashable {
    let person: Int
    let label: Int
    let foundPerson: Int
    let foundLabel: Int
  }

  private let classes: Int
  private let pixels: Int
  private let persons: [InstanceMap.Instance]
  private let found: [InstanceMap.Instance]
  private var counts: [Key: Int] = [:]

  init(truth: IndexMap, persons: InstanceMap, found: Prediction, classes: Int) {
    self.classes = classes
    self.persons = persons.instances.sorted { $0.id < $1.id }
    self.found = found.parsings?.instances ?? []
    pixels = truth.pixels.count
    let foundIDs = found.parsings?.ids
    Runs.each(pixels) { index in
      Key(
        person: Int(persons.ids.pixels[index]), label: Int(truth.pixels[index]),
        foundPerson: foundIDs.map { Int($0.pixels[index]) } ?? 0,
        foundLabel: Int(found.labels.pixels[index]))
    } count: { key, run in
      counts[key, default: 0] += run
    }
  }

  func parsings() -> [ImageMetrics.Parsing] {
    found.map { instance in
      var best = ImageMetrics.Parsing(
        score: instance.score, truth: nil, meanIoU: -.infinity, partIoUs: [], trueParts: 0)
      for (index, person) in persons.enumerated() {
        let parsing = compare(person, index, instance)
        if parsing.meanIoU > best.meanIoU { best = parsing }
      }
      return best
    }
  }

  private func compare(
    _ person: InstanceMap.Instance, _ index: Int, _ instance: InstanceMap.Instance
  ) -> ImageMetrics.Parsing {
    var trueArea = [Int](repeating: 0, count: classes)
    var foundArea = trueArea
    var common = trueArea
    // Pixels that are background in both: all but the parts of either, and what is unknown.
    var background = pixels
    for (key, count) in counts {
      let ofPerson = key.person == person.id
      if ofPerson && key.label >= classes {
        background -= count
        continue
      }
      let label = ofPerson ? key.label : 0
      // A label that is no class can only lie where the truth is unknown.
      let isFound = key.foundPerson == instance.id && key.foundLabel < classes
      let foundLabel = isFound ? key.foundLabel : 0
      if label > 0 { trueArea[label] += count }
      if foundLabel > 0 { foundArea[foundLabel] += count }
      if label > 0, label == foundLabel { common[label] += count }
      if label > 0 || foundLabel > 0 { background -= count }
    }
    let valid = pixels - unknown(person)
    trueArea[0] = valid - trueArea.reduce(0, +)
    foundArea[0] = valid - foundArea.reduce(0, +)
    common[0] = background
    let ious = (0..<classes).map { label in
      let union = trueArea[label] + foundArea[label] - common[label]
      return union > 0 ? Double(common[label]) / Double(union) : nil
    }
    return ImageMetrics.Parsing(
      score: instance.score, truth: index, meanIoU: AveragePrecision.mean(ious) ?? -.infinity,
      partIoUs: ious.dropFirst().compactMap { $0 },
      trueParts: trueArea.dropFirst().count { $0 > 0 })
  }

  private func unknown(_ person: InstanceMap.Instance) -> Int {
    counts.reduce(0) { sum, entry in
      entry.key.person == person.id && entry.key.label >= classes ? sum + entry.value : sum
    }
  }
}

/// Counts equal neighbours together: label maps are smooth, and a run costs less than its pixels.
private enum Runs {
  static func each<Key: Equatable>(
    _ pixels: Int, key: (Int) -> Key, count: (Key, Int) -> Void
  ) {
    guard pixels > 0 else { return }
    var (current, start) = (key(0), 0)
    for index in 1..<pixels {
      let next = key(index)
      if next != current {
        count(current, index - start)
        (current, start) = (next, index)
      }
    }
    count(current, pixels - start)
  }
}
