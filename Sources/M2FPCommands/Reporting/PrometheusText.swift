import M2FPCore

/// Metrics in Prometheus's text format: HELP and TYPE once a name, no timestamps, as node_exporter's
/// textfile collector wants them.
struct PrometheusText {
  enum Kind: String {
    case gauge, histogram
  }

  private(set) var text = ""
  /// Put on every sample.
  private let labels: [(String, String)]

  init(labels: [(String, String)]) {
    self.labels = labels
  }

  /// Appends a metric.
  ///
  /// - Parameters:
  ///   - name: Its name, the unit at the end.
  ///   - help: One line.
  ///   - samples: Each with labels of its own.
  mutating func gauge(
    _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]
  ) {
    head(name, help, .gauge)
    for sample in samples { line(name, sample.labels, sample.value) }
  }

  mutating func gauge(_ name: String, _ help: String, _ value: Double) {
    gauge(name, help, [([], value)])
  }

  /// Appends one histogram for each value of a label.
  ///
  /// - Parameters:
  ///   - name: Its name, the unit at the end.
  ///   - help: One line.
  ///   - label: What tells the histograms apart.
  ///   - histograms: Each with its value of the label.
  mutating func histograms(
    _ name: String, _ help: String, by label: String, _ histograms: [(String, Histogram)]
  ) {
    head(name, help, .histogram)
    for (value, histogram) in histograms {
      var below = 0
      for (bound, count) in zip(Histogram.bounds, histogram.counts) {
        below += count
        line(name + "_bucket", [(label, value), ("le", Self.number(bound))], Double(below))
      }
      line(name + "_bucket", [(label, value), ("le", "+Inf")], Double(histogram.count))
      line(name + "_sum", [(label, value)], histogram.sum)
      line(name + "_count", [(label, value)], Double(histogram.count))
    }
  }

  private mutating func head(_ name: String, _ help: String, _ kind: Kind) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func line(_ name: String, _ own: [(String, String)], _ value: Double) {
    let labels = (labels + own).map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    text += "\(name){\(labels)} \(Self.number(value))\n"
  }

  /// Whole numbers without a fraction, all others as Swift writes them.
  static func number(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }

  static func escaped(_ value: String) -> String {
    value.escaped { scalar in
      switch scalar {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      default: nil
      }
    }
  }
}

/// How often a time fell into which range.
struct Histogram: Equatable {
  /// Seconds: the upper ends of the ranges, the last of which is open.
  static let bounds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
  ]

  private(set) var counts = [Int](repeating: 0, count: bounds.count)
  private(set) var count = 0
  private(set) var sum = 0.0

  mutating func add(_ value: Double) {
    count += 1
    sum += value
    if let range = Self.bounds.firstIndex(where: { value <= $0 }) { counts[range] += 1 }
  }
}
