/// Metrics in Prometheus's text format: HELP and TYPE once a name, no timestamps, as node_exporter's
/// textfile collector wants them.
package struct PrometheusText {
  package enum Kind: String, Sendable {
    case counter, gauge, histogram
  }

  package private(set) var text = ""
  /// Put on every sample.
  private let labels: [(String, String)]

  package init(labels: [(String, String)] = []) {
    self.labels = labels
  }

  /// Appends a metric.
  ///
  /// - Parameters:
  ///   - name: Its name, the unit at the end.
  ///   - help: One line.
  ///   - kind: A gauge or a counter.
  ///   - samples: Each with labels of its own.
  package mutating func metric(
    _ name: String, _ help: String, _ kind: Kind,
    _ samples: [(labels: [(String, String)], value: Double)]
  ) {
    head(name, help, kind)
    for sample in samples { line(name, sample.labels, sample.value) }
  }

  package mutating func gauge(
    _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: Double)]
  ) {
    metric(name, help, .gauge, samples)
  }

  package mutating func gauge(_ name: String, _ help: String, _ value: Double) {
    gauge(name, help, [([], value)])
  }

  /// Appends histograms.
  ///
  /// - Parameters:
  ///   - name: Their name, the unit at the end.
  ///   - help: One line.
  ///   - histograms: Each with the labels that tell it from the others.
  package mutating func histograms(
    _ name: String, _ help: String, _ histograms: [(labels: [(String, String)], Histogram)]
  ) {
    head(name, help, .histogram)
    for (labels, histogram) in histograms {
      var below = 0
      for (bound, count) in zip(Histogram.bounds, histogram.counts) {
        below += count
        line(name + "_bucket", labels + [("le", Self.number(bound))], Double(below))
      }
      line(name + "_bucket", labels + [("le", "+Inf")], Double(histogram.count))
      line(name + "_sum", labels, histogram.sum)
      line(name + "_count", labels, Double(histogram.count))
    }
  }

  private mutating func head(_ name: String, _ help: String, _ kind: Kind) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  private mutating func line(_ name: String, _ own: [(String, String)], _ value: Double) {
    let labels = (labels + own).map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
    text += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(Self.number(value))\n"
  }

  /// Whole numbers without a fraction, all others as Swift writes them.
  package static func number(_ value: Double) -> String {
    Int(exactly: value).map(String.init) ?? "\(value)"
  }

  package static func escaped(_ value: String) -> String {
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
package struct Histogram: Sendable, Equatable {
  /// Seconds: the upper ends of the ranges, the last of which is open.
  package static let bounds = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
  ]

  package private(set) var counts = [Int](repeating: 0, count: bounds.count)
  package private(set) var count = 0
  package private(set) var sum = 0.0

  package init() {}

  package mutating func add(_ value: Double) {
    count += 1
    sum += value
    if let range = Self.bounds.firstIndex(where: { value <= $0 }) { counts[range] += 1 }
  }
}
