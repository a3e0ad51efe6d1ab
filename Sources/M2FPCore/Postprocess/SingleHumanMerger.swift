import CPostprocess

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
  private var imageRow = ScratchBuffer<Float>()
  private var rivalries = ScratchBuffer<Rivalry>()

  /// The two columns of the content that a column of the image lies between.
  private struct ColumnTap {
    let low: Int
    let high: Int
    /// Of `high`.
    let weight: Float
  }

  /// Whether, in a column between two rows of the content, only the classes that win in them can win.
  private enum Rivalry: BitwiseCopyable {
    case unknown, ofTwo, ofAll
  }

  private static let lanes = MaskSampler.lanes
  /// Classes whose sums are kept in registers together.
  private static let classBlock = 4
  /// Widened mask rows held a query; an input row needs at most three.
  private static let heldMaskRows = 4

  /// Reads one image's output.
  ///
  /// - Parameters:
  ///   - masks: The masks of all queries.
  ///   - classProbabilities: `queries × classes` values.
  ///   - queries: How many there are.
  ///   - classes: How many there are, "no object" left out.
  ///   - persons: Whether to take what is found for a person; nil for no persons.
  ///   - team: The threads.
  /// - Returns: The result at the image's own size.
  static func parse(
    _ masks: Masks, _ classProbabilities: UnsafePointer<Float>, queries: Int, classes: Int,
    persons: PersonRules?, team: ThreadTeam<Workspace>
  ) -> ParsingResult {
    let (width, height) = (masks.geometry.imageWidth, masks.geometry.imageHeight)
    let shareRows = shareRows(masks.geometry)
    var totals = [Double](repeating: 0, count: (height + shareRows - 1) / shareRows * classes)
    let labels = totals.withUnsafeMutableBufferPointer { buffer in
      guard let totals = buffer.baseAddress else { preconditionFailure("an image has rows") }
      return team.filledMap(width, height) { labels in
        team.forEachChunk(height, chunksOf: shareRows) { memory, rows in
          memory.singleHuman.merge(
            masks, classProbabilities, queries: queries, classes: classes, rows: rows,
            labels: labels, totals: totals)
        }
      }
    }
    let counts = team.countLabels(labels, classes: classes)
    let scores = counts.enumerated().map { index, count -> Float? in
      let total = stride(from: index, to: totals.count, by: classes).reduce(0) { $0 + totals[$1] }
      // The reference divides by one pixel more.
      return count == 0 ? nil : Float(total / Double(count + 1))
    }
    return ParsingResult(
      labels: labels, parts: [], humans: [],
      persons: persons.map {
        Persons.single(labels: labels, classScores: scores, rules: $0, team: team)
      },
      classPixelCounts: counts, classScores: scores)
  }

  /// Rows of the image that a thread takes at a time: so many of the content lie between them that
  /// computing two more for each share costs little.
  private static func shareRows(_ geometry: NetworkGeometry) -> Int {
    max(32, 32 * geometry.imageHeight / geometry.contentHeight)
  }

  /// Makes shares of the map of classes, and sums up how sure the network is of each class.
  ///
  /// - Parameters:
  ///   - masks: The masks of all queries.
  ///   - classProbabilities: `queries × classes` values.
  ///   - queries: How many there are.
  ///   - classes: How many there are.
  ///   - rows: Rows of the image.
  ///   - labels: The whole map. Gets the classes.
  ///   - totals: `classes` sums for each share of the image. Each share has its own also where one
  ///     thread does it all, so that sums are the same however many threads there are.
  private mutating func merge(
    _ masks: Masks, _ classProbabilities: UnsafePointer<Float>, queries: Int, classes: Int,
    rows: Chunks, labels: UnsafeMutablePointer<UInt8>, totals: UnsafeMutablePointer<Double>
  ) {
    let geometry = masks.geometry
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    let (contentWidth, contentHeight) = (geometry.contentWidth, geometry.contentHeight)
    maskColumns.prepare(
      mask: masks.width, input: geometry.inputWidth, offset: geometry.offsetX,
      content: contentWidth, image: contentWidth)
    maskRows.prepare(
      mask: masks.height, input: geometry.inputHeight, offset: geometry.offsetY,
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
    let weights = weights.reserve(queries * paddedClasses)
    for query in 0..<queries {
      for index in 0..<paddedClasses {
        weights[query * paddedClasses + index] =
          index < classes ? classProbabilities[query * classes + index] : 0
      }
    }
    // A widened row may run over into the next by a vector.
    let widenedStride = contentStride + Self.lanes
    let widened = widenedMasks.reserve(queries * Self.heldMaskRows * widenedStride)
    let probabilities = maskProbabilities.reserve(queries * contentStride)
    let rowSums = paddedClasses * contentStride
    let contentSums = contentSums.reserve(2 * rowSums)
    let contentWinners = contentWinners.reserve(contentStride)
    let highest = highest.reserve(2 * imageStride)
    let winners = winners.reserve(2 * imageStride)
    let values = imageRow.reserve(imageStride)

    var heldMasks = SIMD4<Int>(repeating: -1)
    /// Widens a row of every mask to the content's columns.
    func maskRow(_ row: Int) -> Int {
      let slot = row % Self.heldMaskRows
      if heldMasks[slot] != row {
        heldMasks[slot] = row
        for query in 0..<queries {
          maskColumns.widen(
            masks[query] + row * masks.width, origin: 0, range: 0..<contentStride,
            end: contentWidth,
            widened + (query * Self.heldMaskRows + slot) * widenedStride)
        }
      }
      return slot * widenedStride
    }

    var heldRows = SIMD2<Int>(repeating: -1)
    /// Computes the class sums of a row of the content, and which class wins at the image's columns.
    func contentRow(_ row: Int) -> Int {
      let slot = row % 2
      if heldRows[slot] == row { return slot }
      heldRows[slot] = row
      let tap = maskRows.tap(at: row)
      let used = (0..<3).filter { tap.weights[$0] != 0 }
      let offsets = used.map { maskRow(tap.base + $0) }
      for query in 0..<queries {
        let rows = UnsafePointer(widened + query * Self.heldMaskRows * widenedStride)
        // One row is the sum of itself and nothing of itself.
        var blend = m2fp_post_row(
          a: rows + offsets[0], b: rows + offsets[used.count > 1 ? 1 : 0],
          c: used.count > 2 ? rows + offsets[2] : nil, weight_a: tap.weights[used[0]],
          weight_b: used.count > 1 ? tap.weights[used[1]] : 0,
          weight_c: used.count > 2 ? tap.weights[used[2]] : 0)
        m2fp_post_logistic_row(
          &blend, 0, Int32(contentStride), -.infinity, 1, probabilities + query * contentStride)
      }
      let sums = contentSums + slot * rowSums
      m2fp_post_sum_classes(
        probabilities, weights, Int32(queries), Int32(paddedClasses), Int32(contentStride), sums)
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

    let rivalries = rivalries.reserve(width)
    var rivals = (low: -1, high: -1)
    let shareRows = Self.shareRows(geometry)
    for y in rows.joined() {
      let (lowRow, highRow, weight) = imageRows.taps(at: y)
      if rivals != (lowRow, highRow) {
        rivals = (lowRow, highRow)
        rivalries.update(repeating: .unknown, count: width)
      }
      let (low, high) = (contentRow(lowRow), contentRow(highRow))
      let (lowSums, highSums) = (contentSums + low * rowSums, contentSums + high * rowSums)
      var blend = m2fp_post_row(
        a: highest + low * imageStride, b: highest + high * imageStride, c: nil,
        weight_a: 1 - weight, weight_b: weight, weight_c: 0)
      m2fp_post_blend_row(&blend, 0, Int32(imageStride), values)
      let target = labels + y * width
      for x in stride(from: 0, to: width, by: Self.lanes) {
        let valid = min(Self.lanes, width - x)
        var winner = loadBytes(winners + low * imageStride + x)
        let highWinner = loadBytes(winners + high * imageStride + x)
        if !areEqual(winner, highWinner) {
          for lane in 0..<valid where winner[lane] != highWinner[lane] {
            let tap = imageColumns[x + lane]
            func ends(_ index: Int) -> (low: Float, high: Float) {
              let (top, bottom) = (
                lowSums + index * contentStride, highSums + index * contentStride
              )
              return (
                top[tap.low] * (1 - tap.weight) + top[tap.high] * tap.weight,
                bottom[tap.low] * (1 - tap.weight) + bottom[tap.high] * tap.weight
              )
            }
            func value(_ index: Int) -> Float {
              let ends = ends(index)
              return ends.low * (1 - weight) + ends.high * weight
            }
            let (a, b) = (Int(winner[lane]), Int(highWinner[lane]))
            if rivalries[x + lane] == .unknown {
              rivalries[x + lane] = areTheOnlyRivals(a, b, of: classes, ends) ? .ofTwo : .ofAll
            }
            if rivalries[x + lane] == .ofTwo {
              let (first, second) = (min(a, b), max(a, b))
              let (one, other) = (value(first), value(second))
              values[x + lane] = max(one, other)
              winner[lane] = UInt8(other > one ? second : first)
            } else {
              (values[x + lane], winner[lane]) = highestClass(classes, value)
            }
          }
        }
        if valid == Self.lanes {
          storeBytes(winner, target + x)
        } else {
          for lane in 0..<valid { target[x + lane] = winner[lane] }
        }
      }
      var same = m2fp_post_row(
        a: values, b: values, c: nil, weight_a: 1, weight_b: 0, weight_c: 0)
      m2fp_post_logistic_row(&same, 0, Int32(imageStride), -.infinity, 1, values)
      m2fp_post_sum_by_label(values, target, Int32(width), totals + y / shareRows * classes)
    }
  }
}

private func roundedUp(_ value: Int, to multiple: Int) -> Int {
  (value + multiple - 1) / multiple * multiple
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

/// Of classes whose values each change linearly from a low end to a high one, whether none but the
/// class that is highest at the low end and the one that is at the high end is the highest anywhere in
/// between, whichever way values are rounded.
@inline(__always)
private func areTheOnlyRivals(
  _ a: Int, _ b: Int, of classes: Int, _ ends: (_ classIndex: Int) -> (low: Float, high: Float)
) -> Bool {
  let (endsOfA, endsOfB) = (ends(a), ends(b))
  let margin = 1e-5 * max(endsOfA.low, endsOfB.high)
  let lead = endsOfA.low - endsOfB.low
  // Where the two are equal the higher of them is at its lowest: who is below it there and at both ends
  // is below it everywhere.
  let meeting = lead / (lead + endsOfB.high - endsOfA.high)
  let least = endsOfA.low + (endsOfA.high - endsOfA.low) * meeting - margin
  for index in 0..<classes where index != a && index != b {
    let other = ends(index)
    let isBelow =
      other.low < endsOfA.low - margin && other.high < endsOfB.high - margin
      && other.low + (other.high - other.low) * meeting < least
    // Not a number, where the two are alike, is not below.
    if !isBelow { return false }
  }
  return true
}

private typealias Lanes = SIMD16<Float>

@inline(__always)
private func loadLanes(_ source: UnsafePointer<Float>) -> Lanes {
  UnsafeRawPointer(source).loadUnaligned(as: Lanes.self)
}

/// Small non-negative whole numbers as bytes.
@inline(__always)
private func bytes(_ lanes: Lanes) -> SIMD16<UInt8> {
  // Adding 2²³ leaves the number in the low bits of the significand.
  SIMD16<UInt8>(truncatingIfNeeded: unsafeBitCast(lanes + 8_388_608, to: SIMD16<Int32>.self))
}
