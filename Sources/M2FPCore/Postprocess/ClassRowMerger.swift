import CPostprocess

/// Merger of rows of values, one for each class and pixel of the content of the network's input, into
/// a map of classes at the image's size: each value resized, and of the classes the one with the
/// highest, the lowest of equals.
///
/// Between four neighbours each class's value is bilinear, so a class that wins at all four wins in
/// between, and only where winners differ are all classes compared. Two rows of the content are held
/// at a time.
struct ClassRowMerger: ~Copyable {
  private var imageColumns: [ColumnTap] = []

  private var contentValues = ScratchBuffer<Float>()
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

  /// Values from a class's row of the content to the next class's: whole vectors.
  static func rowLength(_ geometry: NetworkGeometry) -> Int {
    roundedUp(geometry.contentWidth, to: lanes)
  }

  /// Rows of the image that a thread takes at a time: so many of the content lie between them that
  /// reading two more for each chunk costs little.
  static func chunkRows(_ geometry: NetworkGeometry) -> Int {
    max(32, 32 * geometry.imageHeight / geometry.contentHeight)
  }

  /// Makes the result of an image from the map of classes and from sums of how sure the network is of
  /// them, by chunks of ``chunkRows(_:)`` rows.
  ///
  /// - Parameters:
  ///   - geometry: Where the image lies in the network's input.
  ///   - classes: How many there are.
  ///   - persons: Whether to take what is found for a person; nil for no persons.
  ///   - team: The threads.
  ///   - score: Of a class, of its sum and its number of pixels, which is not 0.
  ///   - merge: Makes chunks of the map, and adds to `classes` sums for each chunk. Each has its own also
  ///     where one thread does it all, so that sums are the same however many threads there are.
  /// - Returns: The result at the image's own size, with what is found as one person.
  static func parse(
    _ geometry: NetworkGeometry, classes: Int, persons: PersonRules?, team: ThreadTeam<Workspace>,
    score: (_ total: Double, _ count: Int) -> Float,
    merge: (
      _ memory: Workspace, _ rows: Chunks, _ labels: UnsafeMutablePointer<UInt8>,
      _ totals: UnsafeMutablePointer<Double>
    ) -> Void
  ) -> ParsingResult {
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    let chunkRows = chunkRows(geometry)
    var totals = [Double](repeating: 0, count: (height + chunkRows - 1) / chunkRows * classes)
    let labels = totals.withUnsafeMutableBufferPointer { buffer in
      guard let totals = buffer.baseAddress else { preconditionFailure("an image has rows") }
      return team.filledMap(width, height) { labels in
        team.forEachChunk(height, chunksOf: chunkRows) { memory, rows in
          merge(memory, rows, labels, totals)
        }
      }
    }
    let counts = team.countLabels(labels, classes: classes)
    let scores = counts.enumerated().map { index, count -> Float? in
      let total = stride(from: index, to: totals.count, by: classes).reduce(0) { $0 + totals[$1] }
      return count == 0 ? nil : score(total, count)
    }
    return ParsingResult(
      labels: labels, parts: [], humans: [],
      persons: persons.map {
        Persons.single(labels: labels, classScores: scores, rules: $0, team: team)
      },
      classPixelCounts: counts, classScores: scores)
  }

  /// Makes chunks of the map of classes.
  ///
  /// - Parameters:
  ///   - geometry: Where the image lies in the network's input.
  ///   - classes: How many there are.
  ///   - rows: Rows of the image.
  ///   - labels: The whole map. Gets the classes.
  ///   - magnitude: The largest of the values that those of the content are means of, or more: what
  ///     rounding errors are a share of. 0 where no value is below 0, as the largest mean does then.
  ///   - read: Writes a row of the content: ``rowLength(_:)`` values for each class. There is room for
  ///     whole blocks of ``classBlock`` classes.
  ///   - finish: Called for each row of the image when its labels are there, with its number and the
  ///     values of those classes, which it may overwrite; whole vectors of them.
  mutating func merge(
    _ geometry: NetworkGeometry, classes: Int, rows: Chunks, labels: UnsafeMutablePointer<UInt8>,
    magnitude: Float = 0, read: (_ row: Int, _ values: UnsafeMutablePointer<Float>) -> Void,
    finish: (_ y: Int, _ values: UnsafeMutablePointer<Float>) -> Void = { _, _ in }
  ) {
    let (width, height) = (geometry.imageWidth, geometry.imageHeight)
    let columnAxis = BilinearAxis(
      from: geometry.contentWidth, to: width, warp: geometry.warpedColumns)
    imageColumns.removeAll(keepingCapacity: true)
    for x in 0..<width {
      let (low, high, weight) = columnAxis.taps(at: x)
      imageColumns.append(ColumnTap(low: low, high: high, weight: weight))
    }
    let imageRows = BilinearAxis(
      from: geometry.contentHeight, to: height, warp: geometry.warpedRows)

    let contentStride = Self.rowLength(geometry)
    let imageStride = roundedUp(width, to: Self.lanes)
    let rowSums = roundedUp(classes, to: Self.classBlock) * contentStride
    let contentValues = contentValues.reserve(2 * rowSums)
    let contentWinners = contentWinners.reserve(contentStride)
    let highest = highest.reserve(2 * imageStride)
    let winners = winners.reserve(2 * imageStride)
    let values = imageRow.reserve(imageStride)

    var heldRows = SIMD2<Int>(repeating: -1)
    /// Reads a row of the content, and finds which class wins at the image's columns.
    func contentRow(_ row: Int) -> Int {
      let slot = row % 2
      if heldRows[slot] == row { return slot }
      heldRows[slot] = row
      let sums = contentValues + slot * rowSums
      read(row, sums)
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
    for y in rows.joined() {
      let (lowRow, highRow, weight) = imageRows.taps(at: y)
      if rivals != (lowRow, highRow) {
        rivals = (lowRow, highRow)
        rivalries.update(repeating: .unknown, count: width)
      }
      let (low, high) = (contentRow(lowRow), contentRow(highRow))
      let (lowSums, highSums) = (contentValues + low * rowSums, contentValues + high * rowSums)
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
              rivalries[x + lane] =
                areTheOnlyRivals(a, b, of: classes, magnitude, ends) ? .ofTwo : .ofAll
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
      finish(y, values)
    }
  }

  /// Classes that are read together.
  static let classBlock = 4
}

func roundedUp(_ value: Int, to multiple: Int) -> Int {
  (value + multiple - 1) / multiple * multiple
}

/// Of each lane the class with the highest value, the lowest of equals.
@inline(__always)
func highestClass(
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
  _ a: Int, _ b: Int, of classes: Int, _ magnitude: Float,
  _ ends: (_ classIndex: Int) -> (low: Float, high: Float)
) -> Bool {
  let (endsOfA, endsOfB) = (ends(a), ends(b))
  let margin = 1e-5 * max(endsOfA.low, endsOfB.high, magnitude)
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

typealias Lanes = SIMD16<Float>

@inline(__always)
func loadLanes(_ source: UnsafePointer<Float>) -> Lanes {
  UnsafeRawPointer(source).loadUnaligned(as: Lanes.self)
}

/// Small non-negative whole numbers as bytes.
@inline(__always)
private func bytes(_ lanes: Lanes) -> SIMD16<UInt8> {
  // Adding 2²³ leaves the number in the low bits of the significand.
  SIMD16<UInt8>(truncatingIfNeeded: unsafeBitCast(lanes + 8_388_608, to: SIMD16<Int32>.self))
}
