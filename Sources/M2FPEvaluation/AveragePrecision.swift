/// Area under the envelope of precision over recall (Everingham et al. 2010, as of VOC 2010).
enum AveragePrecision {
  /// How one detection was matched.
  enum Match {
    case truePositive, falsePositive
    /// Scored too low to count.
    case ignored
  }

  /// The average precision of detections.
  ///
  /// - Parameters:
  ///   - matches: One for each detection, by descending score.
  ///   - truths: How many there were to find.
  /// - Returns: As upstream: 0 if there was nothing to find and nothing was found, nil if something
  ///   was found where there was nothing to find. Above 1 where several detections are right by the
  ///   same truth.
  static func of(_ matches: [Match], truths: Int) -> Double? {
    if truths == 0 { return matches.isEmpty ? 0 : nil }
    var (right, counted) = (0, 0)
    var recall: [Double] = []
    var precision: [Double] = []
    for match in matches {
      if match != .ignored { counted += 1 }
      if match == .truePositive { right += 1 }
      recall.append(Double(right) / Double(truths))
      precision.append(counted > 0 ? Double(right) / Double(counted) : 0)
    }
    var area = 0.0
    var envelope = 0.0
    for index in matches.indices.reversed() {
      envelope = max(envelope, precision[index])
      area += (recall[index] - (index > 0 ? recall[index - 1] : 0)) * envelope
    }
    return area
  }

  /// Mean of the values that there are; nil if there are none.
  static func mean(_ values: some Sequence<Double?>) -> Double? {
    let present = values.compactMap { $0 }
    return present.isEmpty ? nil : present.reduce(0, +) / Double(present.count)
  }
}
