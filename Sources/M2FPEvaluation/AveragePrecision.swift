/// Area under the envelope of precision over recall (Everingham et al. 2010, as of VOC 2010).
enum AveragePrecision {
  /// How one finding was judged.
  enum Verdict {
    case right, wrong
    /// Scored too low to count.
    case leftOut
  }

  /// The average precision of findings.
  ///
  /// - Parameters:
  ///   - verdicts: One for each finding, by descending score.
  ///   - truths: How many there were to find.
  /// - Returns: As upstream: 0 if there was nothing to find and nothing was found, nil if something
  ///   was found where there was nothing to find. Above 1 where several findings are right by the
  ///   same truth.
  static func of(_ verdicts: [Verdict], truths: Int) -> Double? {
    if truths == 0 { return verdicts.isEmpty ? 0 : nil }
    var (right, counted) = (0, 0)
    var recall: [Double] = []
    var precision: [Double] = []
    for verdict in verdicts {
      if verdict != .leftOut { counted += 1 }
      if verdict == .right { right += 1 }
      recall.append(Double(right) / Double(truths))
      precision.append(counted > 0 ? Double(right) / Double(counted) : 0)
    }
    var area = 0.0
    var envelope = 0.0
    for index in verdicts.indices.reversed() {
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
