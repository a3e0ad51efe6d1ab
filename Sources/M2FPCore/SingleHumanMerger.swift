/// Merges the queries of a single-human model: for each class the sum over the queries of class
/// probability × mask probability at the network's size, resized to the image, and of the classes
/// the one with the highest sum.
///
/// Between four neighbours each class's sum is bilinear, so a class that wins at all four wins in
/// between, and only where winners differ are all classes compared. Two rows of the network's size
/// are held at a time.
struct SingleHumanMerger: ~Copyable {
  /// Mask to network input, the padding cut off.
  private var maskColumns = ResizeChain()
  private var maskRows = ResizeChain()
  /// Content of the network's input to image.
  private var imageColumns: [ColumnTap] = []

  private var widenedMasks = ScratchBuffer<Float>()
  private var maskProbabilities = ScratchBuffer<Float>()
  private var weights = ScratchBuffer<Float>()
  private var contentSums = ScratchBuffer<Float>()
  private var contentWinners = ScratchBuffer<UInt8>()
  private var highest = ScratchBuffer<Float>()
  private var winners = ScratchBuffer<UInt8>()
  private var totals = ScratchBuffer<Lanes>()

  /// The two columns of the content that a column of the image lies between.
  private struct ColumnTap {
    let low: Int
    let high: Int
    /// Of `high`.
    let weight: Float
  }

  private static let lanes = MaskSampler.lanes
  /// Classes whose sums are kept in registers together.
  private static let classBlock = 4
  /// Widened mask rows held a query; an input row needs at most three.
  private static let heldMaskRows = 4

  mutating func merge(
    _ output: NetworkOutput, _ maskLogits: UnsafePointer<Float>,
    _ classProbabilities: UnsafePointer<Float>, classes: Int, geometry: NetworkGeometry,
    persons: PersonRules?
  ) -> ParsingResult {
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    let (contentWidth, contentHeight) = (geometry.contentWidth, geometry.contentHeight)
    maskColumns.prepare(
      mask: output.maskWidth, input: geometry.inputWidth, offset: geometry.offsetX,
      content: contentWidth, image: contentWidth)
    maskRows.prepare(
      mask: output.maskHeight, input: geometry.inputHeight, offset: geometry.offsetY,
      content: contentHeight, image: contentHeight)
    let columnAxis = BilinearAxis(from: contentWidth, to: width)
    imageColumns.removeAll(keepingCapacity: true)
    for x in 0..<width {
      let (low, high, weight) = columnAxis.taps(at: x)
      imageColumns.append(ColumnTap(low: low, high: high, weight: weight))
    }
    let imageRows = BilinearAxis(from: contentHeight, to: height)

    let contentStride = roundedUp(contentWidth, to: Self.lanes)
    let imageStride = roundedUp(width, to: Self.lanes)
    let paddedClasses = roundedUp(classes, to: Self.classBlock)
    let weights = weights.reserve(output.queries * paddedClasses)
    for query in 0..<output.queries {
      for index in 0..<paddedClasses {
        weights[query * paddedClasses + index] =
          index < classes ? classProbabilities[query * classes + index] : 0
      }
    }
    let widened = widenedMasks.reserve(output.queries * Self.heldMaskRows * contentStride)
    let probabilities = maskProbabilities.reserve(output.queries * contentStride)
    let rowSums = paddedClasses * contentStride
    let contentSums = contentSums.reserve(2 * rowSums)
    let contentWinners = contentWinners.reserve(contentStride)
    let highest = highest.reserve(2 * imageStride)
    let winners = winners.reserve(2 * imageStride)
    let totals = totals.reserve(classes)
    totals.update(repeating: Lanes(), count: classes)

    var heldMasks = SIMD4<Int>(repeating: -1)
    /// Widens a row of every mask to the content's columns.
    func maskRow(_ row: Int) -> Int {
      let slot = row % Self.heldMaskRows
      if heldMasks[slot] != row {
        heldMasks[slot] = row
        maskColumns.taps.withUnsafeBufferPointer { taps in
          for query in 0..<output.queries {
            widenRow(
              maskLogits + (query * output.maskHeight + row) * output.maskWidth, taps,
              0..<contentWidth, 0..<contentStride,
              widened + (query * Self.heldMaskRows + slot) * contentStride)
          }
        }
      }
      return slot * contentStride
    }

    var heldRows = SIMD2<Int>(repeating: -1)
    /// Computes the class sums of a row of the content, and which class wins at the image's columns.
    func contentRow(_ row: Int) -> Int {
      let slot = row % 2
      if heldRows[slot] == row { return slot }
      heldRows[slot] = row
      let tap = maskRows.taps[row]
      let offsets = (0..<3).map { tap.weights[$0] == 0 ? nil : maskRow(tap.base + $0) }
      for query in 0..<output.queries {
        let rows = widened + query * Self.heldMaskRows * contentStride
        for x in stride(from: 0, to: contentStride, by: Self.lanes) {
          var logit = Lanes()
          for k in 0..<3 {
            if let offset = offsets[k] { logit += loadLanes(rows + offset + x) * tap.weights[k] }
          }
          storeLanes(logistic(logit), probabilities + query * contentStride + x)
        }
      }
      let sums = contentSums + slot * rowSums
      sumClasses(
        probabilities, weights, queries: output.queries, classes: paddedClasses,
        stride: contentStride, sums)
      for x in stride(from: 0, to: contentStride, by: Self.lanes) {
        storeBytes(
          highestClass(classes) { loadLanes(sums + $0 * contentStride + x) }, contentWinners + x)
      }
      let (highest, winners) = (highest + slot * imageStride, winners + slot * imageStride)
      for x in 0..<width {
        let tap = imageColumns[x]
        func value(_ index: Int) -> Float {
          let row = sums + index * contentStride
          return row[tap.low] * (1 - tap.weight) + row[tap.high] * tap.weight
        }
        if contentWinners[tap.low] == contentWinners[tap.high] {
          winners[x] = contentWinners[tap.low]
          highest[x] = value(Int(winners[x]))
        } else {
          (highest[x], winners[x]) = highestClass(classes, value)
        }
      }
      return slot
    }

    var scalarTotals = [Double](repeating: 0, count: classes)
    let labels = filledMap(width, height) { labels in
      for y in 0..<height {
        let (lowRow, highRow, weight) = imageRows.taps(at: y)
        let (low, high) = (contentRow(lowRow), contentRow(highRow))
        let (lowSums, highSums) = (contentSums + low * rowSums, contentSums + high * rowSums)
        for x in stride(from: 0, to: imageStride, by: Self.lanes) {
          let valid = min(Self.lanes, width - x)
          var winner = loadBytes(winners + low * imageStride + x)
          let highWinner = loadBytes(winners + high * imageStride + x)
          var value =
            loadLanes(highest + low * imageStride + x) * (1 - weight)
            + loadLanes(highest + high * imageStride + x) * weight
          if winner != highWinner {
            for lane in 0..<valid where winner[lane] != highWinner[lane] {
              let tap = imageColumns[x + lane]
              (value[lane], winner[lane]) = highestClass(classes) { index in
                let (top, bottom) = (
                  lowSums + index * contentStride, highSums + index * contentStride
                )
                return (top[tap.low] * (1 - tap.weight) + top[tap.high] * tap.weight)
                  * (1 - weight)
                  + (bottom[tap.low] * (1 - tap.weight) + bottom[tap.high] * tap.weight) * weight
              }
            }
          }
          let probability = logistic(value)
          if valid == Self.lanes, winner == SIMD16(repeating: winner[0]) {
            totals[Int(winner[0])] += probability
          } else {
            for lane in 0..<valid {
              scalarTotals[Int(winner[lane])] += Double(probability[lane])
            }
          }
          let target = labels + (y * width + x)
          if valid == Self.lanes {
            storeBytes(winner, target)
          } else {
            for lane in 0..<valid { target[lane] = winner[lane] }
          }
        }
        for index in 0..<classes {
          scalarTotals[index] += Double(totals[index].sum())
          totals[index] = Lanes()
        }
      }
    }
    let counts = countLabels(labels, classes: classes)
    let scores = zip(scalarTotals, counts).map { total, count in
      // The reference divides by one pixel more.
      count == 0 ? nil : Float(total / Double(count + 1))
    }
    return ParsingResult(
      labels: labels, parts: [], humans: [],
      persons: persons.map { Persons.single(labels: labels, classScores: scores, rules: $0) },
      classPixelCounts: counts, classScores: scores)
  }
}

private func roundedUp(_ value: Int, to multiple: Int) -> Int {
  (value + multiple - 1) / multiple * multiple
}

/// `sums[class] = Σ over queries of weights[query][class] × probabilities[query]`, row by row.
private func sumClasses(
  _ probabilities: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, queries: Int,
  classes: Int, stride rowStride: Int, _ sums: UnsafeMutablePointer<Float>
) {
  typealias Half = SIMD8<Float>
  for x in stride(from: 0, to: rowStride, by: Half.scalarCount) {
    for first in stride(from: 0, to: classes, by: 4) {
      var (a, b, c, d) = (Half(), Half(), Half(), Half())
      var source = UnsafeRawPointer(probabilities + x)
      var weight = weights + first
      for _ in 0..<queries {
        let value = source.loadUnaligned(as: Half.self)
        a += value * weight[0]
        b += value * weight[1]
        c += value * weight[2]
        d += value * weight[3]
        source += rowStride * MemoryLayout<Float>.stride
        weight += classes
      }
      var target = UnsafeMutableRawPointer(sums + (first * rowStride + x))
      for value in [a, b, c, d] {
        target.storeBytes(of: value, as: Half.self)
        target += rowStride * MemoryLayout<Float>.stride
      }
    }
  }
}

/// Of each lane the class with the highest value, the lowest of equals.
@inline(__always)
private func highestClass(
  _ classes: Int, _ value: (_ classIndex: Int) -> Lanes
) -> SIMD16<UInt8> {
  var highest = value(0)
  var winner = Lanes()
  for index in 1..<classes {
    let candidate = value(index)
    let better = candidate .> highest
    highest.replace(with: candidate, where: better)
    winner.replace(with: Float(index), where: better)
  }
  return bytes(winner)
}

/// The highest value and its class, the lowest of equals.
@inline(__always)
private func highestClass(
  _ classes: Int, _ value: (_ classIndex: Int) -> Float
) -> (value: Float, winner: UInt8) {
  var highest = value(0)
  var winner = 0
  for index in 1..<classes {
    let candidate = value(index)
    if candidate > highest { (highest, winner) = (candidate, index) }
  }
  return (highest, UInt8(winner))
}
