extension BitMask {
  /// The smallest mask that holds each connected region's convex hull: no notch and no slit is left.
  var convexRegions: BitMask {
    let pieces = pieces(of: true, atCorners: true)
    // The outermost columns of each row: a region has pixels in all rows that it spans.
    var outermost = pieces.pieces.map {
      [(left: Int, right: Int)](repeating: (.max, -1), count: $0.rows.count)
    }
    for run in pieces.runs {
      let row = run.row - pieces.pieces[run.piece].rows.lowerBound
      let (left, right) = outermost[run.piece][row]
      outermost[run.piece][row] = (
        Swift.min(left, run.columns.lowerBound), Swift.max(right, run.columns.upperBound - 1)
      )
    }
    var result = self
    for (piece, rows) in zip(pieces.pieces, outermost) {
      let left = Self.envelope(rows.map { -$0.left })
      let right = Self.envelope(rows.map(\.right))
      for y in rows.indices {
        let row = (piece.rows.lowerBound + y) * width
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
