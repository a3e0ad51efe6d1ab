import M2FPCore

/// How far two label maps of one image agree.
public struct Agreement: Sendable, Equatable {
  public let pixels: Int
  public let equalPixels: Int
  /// Mean IoU over the classes that either map shows.
  public let meanIoU: Double

  /// The share of pixels with equal labels, 0–1.
  public var share: Double { Double(equalPixels) / Double(pixels) }

  /// Compares two maps.
  ///
  /// - Throws: ``EvaluationError`` if their sizes differ.
  public init(_ first: IndexMap, _ second: IndexMap) throws(EvaluationError) {
    guard first.width == second.width, first.height == second.height else {
      throw EvaluationError(
        "one is of \(first.width) × \(first.height) pixels, "
          + "the other of \(second.width) × \(second.height)")
    }
    var (equal, inFirst, inSecond) = ([Int: Int](), [Int: Int](), [Int: Int]())
    for (a, b) in zip(first.pixels, second.pixels) {
      inFirst[Int(a), default: 0] += 1
      inSecond[Int(b), default: 0] += 1
      if a == b { equal[Int(a), default: 0] += 1 }
    }
    pixels = first.pixels.count
    equalPixels = equal.values.reduce(0, +)
    let ious = Set(inFirst.keys).union(inSecond.keys).sorted().map { label -> Double? in
      let common = equal[label] ?? 0
      return Double(common) / Double((inFirst[label] ?? 0) + (inSecond[label] ?? 0) - common)
    }
    meanIoU = AveragePrecision.mean(ious) ?? 1
  }
}
