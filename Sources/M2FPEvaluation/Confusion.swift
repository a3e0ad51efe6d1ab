import M2FPCore

/// Pixel counts, true class by found class (Long et al. 2015, section 5).
public struct Confusion: Sendable, Equatable {
  /// The label of pixels of the truth that do not count.
  public static let ignored = 255

  public let classes: Int
  /// `counts[t * classes + f]`: pixels of true class t that were labelled f.
  public private(set) var counts: [Int]

  public init(classes: Int) {
    self.classes = classes
    counts = [Int](repeating: 0, count: classes * classes)
  }

  /// Counts one image.
  ///
  /// - Throws: ``EvaluationError`` if sizes differ or a label is no class. Nothing is counted then.
  public mutating func add(truth: IndexMap, found: IndexMap) throws(EvaluationError) {
    try EvaluationError.check(found, against: truth, "the prediction")
    var new = counts
    for (t, f) in zip(truth.pixels, found.pixels) where t != Self.ignored {
      guard t < classes else {
        throw EvaluationError("the truth has a label \(t), but there are \(classes) classes")
      }
      guard f < classes else {
        throw EvaluationError("the prediction has a label \(f), but there are \(classes) classes")
      }
      new[Int(t) * classes + Int(f)] += 1
    }
    counts = new
  }

  /// Adds the counts of `other`, which has as many classes.
  public mutating func add(_ other: Confusion) {
    precondition(classes == other.classes)
    for index in counts.indices { counts[index] += other.counts[index] }
  }

  /// All pixels that count.
  public var pixels: Int { counts.reduce(0, +) }

  /// Pixels of which `index` is the true class.
  public func truePixels(_ index: Int) -> Int {
    counts[(index * classes)..<((index + 1) * classes)].reduce(0, +)
  }

  /// Pixels that were labelled `index`.
  public func foundPixels(_ index: Int) -> Int {
    (0..<classes).reduce(0) { $0 + counts[$1 * classes + index] }
  }

  /// Pixels rightly labelled `index`.
  public func rightPixels(_ index: Int) -> Int { counts[index * classes + index] }

  /// Intersection over union of a class; nil if it is neither true nor found anywhere.
  public func iou(_ index: Int) -> Double? {
    ratio(
      rightPixels(index), truePixels(index) + foundPixels(index) - rightPixels(index))
  }

  /// The share of a class's true pixels that were found (recall); nil without such pixels.
  public func accuracy(_ index: Int) -> Double? { ratio(rightPixels(index), truePixels(index)) }

  /// The share of all pixels that is labelled right; nil without pixels.
  public var pixelAccuracy: Double? {
    ratio((0..<classes).reduce(0) { $0 + rightPixels($1) }, pixels)
  }

  private func ratio(_ part: Int, _ whole: Int) -> Double? {
    whole > 0 ? Double(part) / Double(whole) : nil
  }
}
