import M2FPCore

/// The measures of human parsing over a set of images, as M2FP's published evaluator takes them.
///
/// - mIoU, accuracy, F1: from one confusion matrix over all pixels.
/// - AP^r (Hariharan et al. 2014; Gong et al. 2018, "PGN"): each part of each person is a instance; it
///   is right if its IoU with a true instance of its class exceeds the threshold.
/// - AP^p (Zhao et al. 2018, "MHP v2"): a person is right if the mean IoU of its parts, the
///   background among them, exceeds the threshold with a true person that no better one took.
/// - PCP (same): the share of a true person's parts found with an IoU above the threshold, in the
///   person that took it; 0 for a person that none took. Mean over true persons.
/// - AP^h: a person is right if the IoU of its mask with a true person exceeds the threshold.
///
/// Where the evaluator departs from the definitions, so does this, because figures are published by
/// it: AP^r and AP^h let several detections be right by the same truth, and can exceed 1. Among equal
/// scores its order is that of an unstable sort; here AP^p takes the first image first, AP^r and
/// AP^h the last.
public struct Evaluation: Sendable {
  /// What a class counts that occurs neither in the truth nor in the predictions.
  public enum AbsentClasses: String, Sendable, CaseIterable {
    /// As 0: what the published evaluator does.
    case zero
    /// Not at all: the better choice for a set of few images.
    case skip
  }

  /// Thresholds of the measures of parts: AP^r, AP^p and PCP.
  public static let partThresholds = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
  /// Thresholds of the measure of persons' masks, AP^h.
  public static let personThresholds = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
  /// Persons that score less are left out of AP^p and PCP.
  public static let leastParsingScore = 0.01

  public private(set) var confusion: Confusion
  public private(set) var images = 0
  private let absent: AbsentClasses
  private var parts: [ImageMetrics.Detections]?
  private var persons: ImageMetrics.Detections?
  /// Found persons, their true persons numbered over all images.
  private var parsings: [ImageMetrics.Parsing] = []

  public init(classes: Int, absent: AbsentClasses = .zero) {
    confusion = Confusion(classes: classes)
    self.absent = absent
  }

  /// Adds an image with as many classes.
  public mutating func add(_ image: ImageMetrics) {
    images += 1
    confusion.add(image.confusion)
    if let new = image.parts {
      var all =
        parts ?? [ImageMetrics.Detections](repeating: .init(), count: confusion.classes)
      for index in all.indices {
        all[index].found += new[index].found
        all[index].truths += new[index].truths
      }
      parts = all
    }
    if let new = image.persons {
      let before = persons?.truths ?? 0
      parsings += (image.parsings ?? []).map { $0.numbered(from: before) }
      persons = ImageMetrics.Detections(
        found: (persons?.found ?? []) + new.found, truths: before + new.truths)
    }
  }

  // MARK: - Pixels

  /// IoU of a class; nil if it is absent.
  public func iou(_ index: Int) -> Double? { confusion.iou(index) }

  /// Mean IoU over the classes.
  public var meanIoU: Double? { mean { confusion.iou($0) } }

  /// Mean over the classes of the share of their pixels that was found.
  public var meanAccuracy: Double? { mean { confusion.accuracy($0) } }

  /// Mean over the classes of the harmonic mean of precision and recall.
  public var meanF1: Double? { mean { f1($0) } }

  /// F1 score of a class; nil if it is absent.
  public func f1(_ index: Int) -> Double? {
    let all = confusion.truePixels(index) + confusion.foundPixels(index)
    return all > 0 ? 2 * Double(confusion.rightPixels(index)) / Double(all) : nil
  }

  /// The classes that are neither true nor found in any pixel.
  public var absentClasses: [Int] {
    (0..<confusion.classes).filter { confusion.iou($0) == nil }
  }

  private func mean(_ figure: (Int) -> Double?) -> Double? {
    guard confusion.pixels > 0 else { return nil }
    return AveragePrecision.mean(
      (0..<confusion.classes).map { figure($0) ?? (absent == .zero ? 0 : nil) })
  }

  // MARK: - Instances

  /// One measure at each of its thresholds.
  public struct Curve: Sendable, Equatable {
    public let thresholds: [Double]
    /// Nil where the measure is not defined.
    public let values: [Double?]

    /// Mean over the thresholds.
    public var mean: Double? { AveragePrecision.mean(values) }

    /// The value at one of ``thresholds``.
    public func at(_ threshold: Double) -> Double? {
      thresholds.firstIndex(of: threshold).flatMap { values[$0] }
    }
  }

  /// AP^r of one class; nil without true parts.
  public func partPrecision(_ index: Int) -> Curve? {
    guard let detections = parts?[index] else { return nil }
    if absent == .skip, detections.truths == 0 {
      return Curve(
        thresholds: Self.partThresholds, values: Self.partThresholds.map { _ in nil })
    }
    return precision(detections, thresholds: Self.partThresholds)
  }

  /// AP^r: mean over the classes; nil without true parts.
  public var partPrecision: Curve? {
    guard parts != nil else { return nil }
    let curves = (1..<confusion.classes).compactMap { partPrecision($0)?.values }
    return Curve(
      thresholds: Self.partThresholds,
      values: Self.partThresholds.indices.map { k in AveragePrecision.mean(curves.map { $0[k] }) })
  }

  /// AP^h; nil without true persons.
  public var personPrecision: Curve? {
    persons.map { precision($0, thresholds: Self.personThresholds) }
  }

  private func precision(_ detections: ImageMetrics.Detections, thresholds: [Double]) -> Curve {
    // Ties in reverse order, as upstream's reversed ascending sort has them.
    let sorted = detections.found.enumerated().sorted {
      ($0.element.score, $0.offset) > ($1.element.score, $1.offset)
    }
    let values = thresholds.map { threshold in
      AveragePrecision.of(
        sorted.map { $0.element.iou > threshold ? .truePositive : .falsePositive },
        truths: detections.truths)
    }
    return Curve(thresholds: thresholds, values: values)
  }

  /// AP^p and PCP; nil without true persons.
  public var parsingPrecision: (precision: Curve, correctParts: Curve)? {
    guard let truths = persons?.truths else { return nil }
    let sorted = parsings.enumerated().sorted {
      ($0.element.score, $1.offset) > ($1.element.score, $0.offset)
    }.map(\.element)
    var precision: [Double?] = []
    var correct: [Double?] = []
    for threshold in Self.partThresholds {
      var taken: Set<Int> = []
      var shares = 0.0
      let matches = sorted.map { parsing -> AveragePrecision.Match in
        if parsing.score < Self.leastParsingScore { return .ignored }
        guard let truth = parsing.truth, parsing.meanIoU > threshold,
          taken.insert(truth).inserted
        else { return .falsePositive }
        if parsing.trueParts > 0 {
          let hits = parsing.partIoUs.count { $0 > threshold }
          shares += Double(hits) / Double(parsing.trueParts)
        }
        return .truePositive
      }
      precision.append(AveragePrecision.of(matches, truths: truths))
      correct.append(truths > 0 ? shares / Double(truths) : nil)
    }
    return (
      Curve(thresholds: Self.partThresholds, values: precision),
      Curve(thresholds: Self.partThresholds, values: correct)
    )
  }
}

extension ImageMetrics.Parsing {
  fileprivate func numbered(from first: Int) -> Self {
    ImageMetrics.Parsing(
      score: score, truth: truth.map { $0 + first }, meanIoU: meanIoU, partIoUs: partIoUs,
      trueParts: trueParts)
  }
}
