/// The connected regions of a mask, as runs of pixels along the rows.
struct MaskRegions {
  struct Run {
    let row: Int
    let columns: Range<Int>
  }

  struct Region {
    /// From the top, in each row from the left.
    fileprivate(set) var runs: [Run] = []
    /// Pixels.
    fileprivate(set) var area = 0
    /// Whether it reaches the edge of the image.
    fileprivate(set) var touchesEdge = false

    /// The smallest box that holds it.
    var box: Instance.Box {
      let left = runs.map(\.columns.lowerBound).min() ?? 0
      let (top, bottom) = (runs.first?.row ?? 0, runs.last?.row ?? 0)
      return Instance.Box(
        x: left, y: top, width: (runs.map(\.columns.upperBound).max() ?? 0) - left,
        height: bottom + 1 - top)
    }
  }

  /// By their first pixel, row by row.
  let regions: [Region]

  /// - Parameters:
  ///   - mask: The mask.
  ///   - diagonally: Whether pixels that touch by a corner are connected.
  init(of mask: BitMask, diagonally: Bool) {
    var runs: [Run] = []
    // For each run one before it of the same region, or itself.
    var parents: [Int] = []
    func root(_ run: Int) -> Int {
      var run = run
      while parents[run] != run {
        parents[run] = parents[parents[run]]
        run = parents[run]
      }
      return run
    }
    let slack = diagonally ? 1 : 0
    var above = 0..<0
    for row in 0..<mask.height {
      let first = runs.count
      var candidate = above.lowerBound
      mask.forEachRun(in: row) { columns in
        let run = runs.count
        runs.append(Run(row: row, columns: columns))
        parents.append(run)
        while candidate < above.upperBound,
          runs[candidate].columns.upperBound + slack <= columns.lowerBound
        {
          candidate += 1
        }
        var other = candidate
        while other < above.upperBound,
          runs[other].columns.lowerBound < columns.upperBound + slack
        {
          let (one, two) = (root(other), root(run))
          parents[max(one, two)] = min(one, two)
          other += 1
        }
      }
      above = first..<runs.count
    }
    var indices = [Int](repeating: -1, count: runs.count)
    var regions: [Region] = []
    for (index, run) in runs.enumerated() {
      let first = root(index)
      if indices[first] < 0 {
        indices[first] = regions.count
        regions.append(Region())
      }
      let region = indices[first]
      regions[region].runs.append(run)
      regions[region].area += run.columns.count
      if run.row == 0 || run.row == mask.height - 1 || run.columns.lowerBound == 0
        || run.columns.upperBound == mask.width
      {
        regions[region].touchesEdge = true
      }
    }
    self.regions = regions
  }
}

extension BitMask {
  /// Calls `body` with each stretch of pixels of a row that are in the mask, from the left.
  fileprivate func forEachRun(in row: Int, _ body: (Range<Int>) -> Void) {
    let start = row * width
    var x = 0
    while x < width {
      guard pixels[start + x] else {
        x += 1
        continue
      }
      let first = x
      while x < width, pixels[start + x] { x += 1 }
      body(first..<x)
    }
  }

  /// The smallest mask that holds each connected region's convex hull: no notch and no slit is left.
  var convexRegions: BitMask {
    var result = self
    for region in MaskRegions(of: self, diagonally: true).regions {
      let top = region.box.y
      // The outermost columns of each row; a region has pixels in all rows that it spans.
      var rows: [(left: Int, right: Int)] = []
      for run in region.runs {
        if run.row - top == rows.count {
          rows.append((run.columns.lowerBound, run.columns.upperBound - 1))
        } else {
          rows[run.row - top].right = run.columns.upperBound - 1
        }
      }
      let left = Self.envelope(rows.map { -$0.left })
      let right = Self.envelope(rows.map(\.right))
      for y in rows.indices {
        let row = (top + y) * width
        for x in row - left[y]...row + right[y] { result.pixels[x] = true }
      }
    }
    return result
  }

  /// The least concave values that are nowhere below the given ones, rounded up.
  private static func envelope(_ values: [Int]) -> [Int] {
    var corners: [Int] = []
    for next in values.indices {
      while let last = corners.last, corners.count >= 2,
        case let before = corners[corners.count - 2],
        (values[last] - values[before]) * (next - last)
          <= (values[next] - values[last]) * (last - before)
      {
        corners.removeLast()
      }
      corners.append(next)
    }
    var result = values
    for (from, to) in zip(corners, corners.dropFirst()) {
      for y in from..<to {
        let rise = (values[to] - values[from]) * (y - from)
        let run = to - from
        // Rounded up, also where it is negative.
        result[y] = values[from] + (rise >= 0 ? (rise + run - 1) / run : -(-rise / run))
      }
    }
    return result
  }
}
