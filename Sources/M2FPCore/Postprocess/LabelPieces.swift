/// Connected pieces of a map of labels, found run by run.
///
/// Those pixels belong together that are of one group and touch, at a side or, if wanted, at a corner.
struct LabelPieces {
  /// Pixels side by side in a row.
  struct Run {
    let row: Int
    let columns: Range<Int>
    /// The piece that it belongs to.
    fileprivate(set) var piece: Int
  }

  /// One piece.
  struct Piece {
    fileprivate(set) var pixels: Int
    fileprivate(set) var rows: ClosedRange<Int>
    fileprivate(set) var columns: ClosedRange<Int>
  }

  /// Top to bottom, and in a row from left to right.
  let runs: [Run]
  let pieces: [Piece]

  /// Finds all pieces.
  ///
  /// - Parameters:
  ///   - labels: `height` rows of `stride` labels, of which `width` count.
  ///   - width: Labels a row.
  ///   - height: Rows.
  ///   - stride: Labels from one row to the next.
  ///   - groups: The group of each label; pixels of group 0 are in no piece.
  ///   - atCorners: Whether pixels that touch only at a corner belong together.
  init(
    _ labels: UnsafePointer<UInt8>, width: Int, height: Int, stride: Int, groups: [UInt8],
    atCorners: Bool
  ) {
    precondition(groups.count == 256)
    var runs: [Run] = []
    /// For each run an earlier one of its piece, or itself.
    var parents: [Int] = []
    func root(_ run: Int) -> Int {
      var run = run
      while parents[run] != run {
        parents[run] = parents[parents[run]]
        run = parents[run]
      }
      return run
    }
    let reach = atCorners ? 1 : 0
    var groupsOfRuns: [UInt8] = []
    var above = 0..<0
    for y in 0..<height {
      let row = labels + y * stride
      let first = runs.count
      var candidate = above.lowerBound
      forEachRun(row, width) { columns, label in
        let group = groups[Int(label)]
        if group == 0 { return }
        let index = runs.count
        // Labels of one group side by side are one run.
        if index > first, groupsOfRuns[index - 1] == group,
          runs[index - 1].columns.upperBound == columns.lowerBound
        {
          let start = runs[index - 1].columns.lowerBound
          runs[index - 1] = Run(
            row: y, columns: start..<columns.upperBound, piece: runs[index - 1].piece)
        } else {
          runs.append(Run(row: y, columns: columns, piece: index))
          parents.append(index)
          groupsOfRuns.append(group)
        }
      }
      for index in first..<runs.count {
        let columns = runs[index].columns
        while candidate < above.upperBound,
          runs[candidate].columns.upperBound + reach <= columns.lowerBound
        {
          candidate += 1
        }
        var other = candidate
        while other < above.upperBound, runs[other].columns.lowerBound < columns.upperBound + reach
        {
          if groupsOfRuns[other] == groupsOfRuns[index] {
            let (a, b) = (root(other), root(index))
            if a != b { parents[max(a, b)] = min(a, b) }
          }
          other += 1
        }
      }
      above = first..<runs.count
    }
    var pieces: [Piece] = []
    var numbers = [Int](repeating: -1, count: runs.count)
    for index in runs.indices {
      // The root comes before the others of its piece.
      let root = root(index)
      if numbers[root] < 0 {
        numbers[root] = pieces.count
        pieces.append(Piece(runs[index]))
      } else {
        pieces[numbers[root]].add(runs[index])
      }
      runs[index].piece = numbers[root]
    }
    self.runs = runs
    self.pieces = pieces
  }
}

extension LabelPieces.Piece {
  fileprivate init(_ run: LabelPieces.Run) {
    pixels = run.columns.count
    rows = run.row...run.row
    columns = ClosedRange(run.columns)
  }

  /// Adds a run that lies in the same row as the last or below.
  fileprivate mutating func add(_ run: LabelPieces.Run) {
    pixels += run.columns.count
    rows = rows.lowerBound...run.row
    columns =
      min(
        columns.lowerBound, run.columns.lowerBound)...max(
        columns.upperBound, run.columns.upperBound - 1)
  }
}

/// Calls `body` for each stretch of a row in which the label does not change.
private func forEachRun(
  _ row: UnsafePointer<UInt8>, _ width: Int, _ body: (_ columns: Range<Int>, _ label: UInt8) -> Void
) {
  var start = 0
  while start < width {
    let label = row[start]
    var end = start + 1
    // Neighbours are mostly alike: 16 at a time where they are.
    while end + 16 <= width, areEqual(loadBytes(row + end), SIMD16(repeating: label)) { end += 16 }
    while end < width, row[end] == label { end += 1 }
    body(start..<end, label)
    start = end
  }
}
