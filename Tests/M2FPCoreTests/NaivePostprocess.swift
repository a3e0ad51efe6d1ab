import Foundation
import M2FPCore

/// The postprocess written the plain way, every mask at full size and in double precision: what
/// the product's strip by strip version is checked against.
enum NaivePostprocess {
  struct Plane {
    let width: Int
    let height: Int
    var values: [Double]

    subscript(x: Int, y: Int) -> Double { values[y * width + x] }

    /// Bilinear as torch's `interpolate` with `align_corners=False`; positions in single precision
    /// as there.
    func resized(_ newWidth: Int, _ newHeight: Int) -> Plane {
      func taps(_ index: Int, _ from: Int, _ to: Int) -> (Int, Int, Double) {
        let position = max(Float(from) / Float(to) * (Float(index) + 0.5) - 0.5, 0)
        let low = min(Int(position), from - 1)
        return (low, min(low + 1, from - 1), Double(position - Float(low)))
      }
      var result = Plane(width: newWidth, height: newHeight, values: [])
      result.values.reserveCapacity(newWidth * newHeight)
      let columns = (0..<newWidth).map { taps($0, width, newWidth) }
      for y in 0..<newHeight {
        let (top, bottom, v) = taps(y, height, newHeight)
        for (left, right, u) in columns {
          result.values.append(
            (1 - v) * ((1 - u) * self[left, top] + u * self[right, top])
              + v * ((1 - u) * self[left, bottom] + u * self[right, bottom]))
        }
      }
      return result
    }

    func cropped(_ x: Int, _ y: Int, _ newWidth: Int, _ newHeight: Int) -> Plane {
      var result = Plane(width: newWidth, height: newHeight, values: [])
      for row in y..<y + newHeight {
        result.values += values[row * width + x..<row * width + x + newWidth]
      }
      return result
    }
  }

  static func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  static func classProbabilities(_ output: SyntheticOutput) -> [[Double]] {
    (0..<output.queries).map { query in
      let exponentials = (0..<output.classes).map {
        exp(Double(output.classLogits[query * output.classes + $0]))
      }
      let sum = exponentials.reduce(0, +)
      return exponentials.dropLast().map { $0 / sum }
    }
  }

  /// A query's mask at the size of the network's input, the padding cut off.
  static func contentMask(
    _ output: SyntheticOutput, _ geometry: NetworkGeometry, _ query: Int
  ) -> Plane {
    let size = output.maskWidth * output.maskHeight
    let mask = Plane(
      width: output.maskWidth, height: output.maskHeight,
      values: output.maskLogits[query * size..<(query + 1) * size].map(Double.init))
    return mask.resized(geometry.inputWidth, geometry.inputHeight).cropped(
      geometry.offsetX, geometry.offsetY, geometry.contentWidth, geometry.contentHeight)
  }

  struct Result {
    var labels: [UInt8] = []
    var persons: [UInt8] = []
    var parts: [Found] = []
    var humans: [Found] = []
    /// The gap between the best and the second best class, or to the threshold: how firm a label is.
    var margins: [Double] = []
  }

  struct Found {
    let query: Int
    let classIndex: Int
    let classScore: Double
    let score: Double
    let mask: Plane
  }

  static func parsing(
    _ output: SyntheticOutput, _ geometry: NetworkGeometry, _ rules: ModelContract.InstanceRules
  ) -> Result {
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    let probabilities = classProbabilities(output)
    let classes = output.classes - 1
    let pairs = (0..<output.queries * classes)
      .map { (query: $0 / classes, label: $0 % classes) }
      .sorted { probabilities[$0.query][$0.label] > probabilities[$1.query][$1.label] }
      .prefix(rules.topK)
    var masks: [Int: Plane] = [:]
    for query in Set(pairs.map(\.query)) {
      masks[query] = contentMask(output, geometry, query).resized(width, height)
    }
    let all = pairs.compactMap { pair -> Found? in
      guard let mask = masks[pair.query] else { return nil }
      let inside = mask.values.filter { $0 > 0 }
      let maskScore = inside.map(logistic).reduce(0, +) / (Double(inside.count) + 1e-6)
      let classScore = probabilities[pair.query][pair.label]
      return Found(
        query: pair.query, classIndex: pair.label, classScore: classScore,
        score: classScore * maskScore, mask: mask)
    }
    var result = Result()
    let isHuman = { (found: Found) in found.classIndex == classes - 1 }
    result.parts =
      all.filter {
        !isHuman($0) && $0.classIndex != 0 && $0.score >= Double(rules.partScoreThreshold)
      }.sorted { $0.score > $1.score }
    result.humans = all.filter { isHuman($0) && $0.score > Double(rules.humanScoreThreshold) }
      .sorted { $0.score > $1.score }
    let merged = all.filter {
      !isHuman($0) && $0.score >= Double(rules.semanticScoreThreshold)
    }
    let threshold = Double(rules.maskThreshold)
    for pixel in 0..<width * height {
      var sums = [Double](repeating: 0, count: classes - 1)
      var counts = sums
      var margin = Double.infinity
      for found in merged {
        let value = logistic(found.mask.values[pixel]) * found.score
        margin = min(margin, abs(value - threshold))
        if value > threshold {
          sums[found.classIndex] += value
          counts[found.classIndex] += 1
        }
      }
      let means = zip(sums, counts).map { $0 / max($1, 1) }
      let best = means.indices.max { means[$0] < means[$1] } ?? 0
      let ranked = means.sorted(by: >)
      if ranked[0] > 0 { margin = min(margin, ranked[0] - ranked[1]) }
      result.labels.append(ranked[0] > 0 ? UInt8(best) : 0)
      result.margins.append(margin)
      let person = result.humans.firstIndex { $0.mask.values[pixel] > 0 }
      result.persons.append(UInt8(person.map { $0 + 1 } ?? 0))
    }
    return result
  }

  static func semantic(
    _ output: SyntheticOutput, _ geometry: NetworkGeometry
  ) -> (labels: [UInt8], margins: [Double], scores: [Double?]) {
    let probabilities = classProbabilities(output)
    let (width, height) = (geometry.contentWidth, geometry.contentHeight)
    var sums = [[Double]](
      repeating: [Double](repeating: 0, count: width * height), count: output.classes - 1)
    for query in 0..<output.queries {
      let mask = contentMask(output, geometry, query).values.map(logistic)
      for label in sums.indices {
        let probability = probabilities[query][label]
        for pixel in mask.indices { sums[label][pixel] += probability * mask[pixel] }
      }
    }
    let planes = sums.map {
      Plane(width: width, height: height, values: $0)
        .resized(geometry.imageWidth, geometry.imageHeight).values
    }
    var labels: [UInt8] = []
    var margins: [Double] = []
    var totals = [Double](repeating: 0, count: planes.count)
    var counts = totals
    for pixel in 0..<geometry.imageWidth * geometry.imageHeight {
      let values = planes.map { $0[pixel] }
      let best = values.indices.max { values[$0] < values[$1] } ?? 0
      let ranked = values.sorted(by: >)
      labels.append(UInt8(best))
      margins.append(ranked[0] - ranked[1])
      totals[best] += logistic(values[best])
      counts[best] += 1
    }
    return (labels, margins, zip(totals, counts).map { $1 == 0 ? nil : $0 / ($1 + 1) })
  }
}
