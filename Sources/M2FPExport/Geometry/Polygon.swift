import M2FPCore

/// Turns masks into polygons.
///
/// The borders are followed as Suzuki and Abe do (1985), over pixel centres, so that filling a
/// polygon, its border included, gives the mask back. A format that has one polygon an object and no
/// holes gets what Ultralytics makes of COCO: all parts in one line, joined there and back by the
/// shortest way between them. A hole is joined to the border left of it, along a row of the mask, and
/// so does not fill up.
enum Polygon {
  struct Point: Hashable {
    var x: Int
    var y: Int
  }

  /// The polygon round a mask; it may touch itself.
  ///
  /// - Parameters:
  ///   - box: The box round the mask.
  ///   - width: The image's.
  ///   - isInside: Whether a pixel, counted row by row, belongs to the mask.
  /// - Returns: The corners, in pixels of the image. A single pixel is given three times, since
  ///   readers want three points or more.
  static func around(
    _ box: Instance.Box, width: Int, _ isInside: (_ pixel: Int) -> Bool
  ) -> [Point] {
    var grid = BorderGrid(width: box.width, height: box.height)
    for y in 0..<box.height {
      for x in 0..<box.width where isInside((box.y + y) * width + box.x + x) {
        grid.set(x, y)
      }
    }
    let parts = grid.borders().map { part in
      part.holes
        .sorted { leftmost($0) < leftmost($1) }
        .reduce(into: part.outer) { outer, hole in insert(hole, into: &outer, grid) }
    }.map(corners)
    var joined = parts.max { $0.count < $1.count } ?? []
    var rest = parts
    if let first = rest.firstIndex(of: joined) { rest.remove(at: first) }
    for part in rest { join(part, to: &joined) }
    if let only = joined.first, joined.count < 3 {
      joined += [Point](repeating: joined.last ?? only, count: 3 - joined.count)
    }
    return joined.map { Point(x: $0.x + box.x, y: $0.y + box.y) }
  }

  private static func leftmost(_ border: [Point]) -> Int { border.lazy.map(\.x).min() ?? 0 }

  /// Joins a hole's border to the one that lies to its left in the same row. What lies between
  /// belongs to the mask.
  private static func insert(_ hole: [Point], into outer: inout [Point], _ grid: BorderGrid) {
    guard let start = hole.indices.min(by: { hole[$0].x < hole[$1].x }) else { return }
    var end = hole[start]
    while grid.isSet(end.x - 1, end.y) { end.x -= 1 }
    guard let place = outer.firstIndex(of: end) else { return }
    // There, once round, and back.
    outer.insert(
      contentsOf: Array(hole[start...]) + Array(hole[...start]) + [end], at: place + 1)
  }

  /// Joins another part by the two corners that are nearest to one another.
  private static func join(_ part: [Point], to whole: inout [Point]) {
    var best = (distance: Int.max, from: 0, to: 0)
    for (from, a) in whole.enumerated() {
      for (to, b) in part.enumerated() {
        let distance = (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y)
        if distance < best.distance { best = (distance, from, to) }
      }
    }
    whole.insert(
      contentsOf: Array(part[best.to...]) + Array(part[...best.to]) + [whole[best.from]],
      at: best.from + 1)
  }

  /// Leaves out the points of a closed border at which it stays or goes straight on.
  private static func corners(_ line: [Point]) -> [Point] {
    let border = line.indices.filter { $0 == 0 || line[$0] != line[$0 - 1] }.map { line[$0] }
    guard border.count > 2 else { return border }
    return border.indices.filter { index in
      let before = border[(index + border.count - 1) % border.count]
      let after = border[(index + 1) % border.count]
      let here = border[index]
      let (a, b) = (here.x - before.x, here.y - before.y)
      let (c, d) = (after.x - here.x, after.y - here.y)
      return a * d != b * c || a * c + b * d < 0
    }.map { border[$0] }
  }
}

/// The pixels of a mask, with a rim of empty ones, and the borders that were found between them.
private struct BorderGrid {
  /// A patch of pixels that touch, corners included.
  struct Part {
    var outer: [Polygon.Point]
    var holes: [[Polygon.Point]] = []
  }

  private let stride: Int
  private let height: Int
  /// 0 outside, 1 inside; then the number of the border that a pixel was last seen on, negative if
  /// what lies to its right is outside.
  private var marks: [Int32]

  init(width: Int, height: Int) {
    stride = width + 2
    self.height = height + 2
    marks = [Int32](repeating: 0, count: stride * self.height)
  }

  mutating func set(_ x: Int, _ y: Int) { marks[(y + 1) * stride + x + 1] = 1 }

  func isSet(_ x: Int, _ y: Int) -> Bool { marks[(y + 1) * stride + x + 1] != 0 }

  /// Follows all borders. An outer border begins at its first pixel in reading order; holes follow
  /// the part they are in.
  mutating func borders() -> [Part] {
    var parts: [Part] = []
    /// For each border, from number 2, the part it belongs to.
    var owners: [Int] = []
    for y in 1..<height - 1 {
      // The border last met in this row, 0 for the frame.
      var last = 0
      for x in 1..<stride - 1 {
        let cell = y * stride + x
        guard marks[cell] != 0 else { continue }
        let isOuter = marks[cell] == 1 && marks[cell - 1] == 0
        if isOuter || (marks[cell] >= 1 && marks[cell + 1] == 0) {
          if !isOuter && marks[cell] > 1 { last = Int(marks[cell]) }
          let border = follow(
            from: cell, cameFrom: isOuter ? cell - 1 : cell + 1, number: Int32(owners.count + 2))
          if isOuter {
            owners.append(parts.count)
            parts.append(Part(outer: border))
          } else {
            let owner = owners[last - 2]
            owners.append(owner)
            parts[owner].holes.append(border)
          }
        }
        if marks[cell] != 1 { last = abs(Int(marks[cell])) }
      }
    }
    return parts
  }

  private mutating func follow(from start: Int, cameFrom: Int, number: Int32) -> [Polygon.Point] {
    // Clockwise, as rows grow downward: right, down right, down, …
    let steps = [1, stride + 1, stride, stride - 1, -1, -stride - 1, -stride, -stride + 1]
    func direction(_ from: Int, _ to: Int) -> Int { steps.firstIndex(of: to - from) ?? 0 }
    func point(_ cell: Int) -> Polygon.Point {
      Polygon.Point(x: cell % stride - 1, y: cell / stride - 1)
    }
    let towards = direction(start, cameFrom)
    guard
      let first = (0..<8).map({ start + steps[(towards + $0) % 8] }).first(where: {
        marks[$0] != 0
      })
    else {
      marks[start] = -number
      return [point(start)]
    }
    var border: [Polygon.Point] = []
    var (previous, cell) = (first, start)
    while true {
      // Counterclockwise from the cell after the one we come from.
      let back = direction(cell, previous)
      var sawEmptyRight = false
      var next = cell
      for turn in 1...8 {
        let step = (back + 16 - turn) % 8
        next = cell + steps[step]
        if marks[next] != 0 { break }
        if step == 0 { sawEmptyRight = true }
      }
      if sawEmptyRight {
        marks[cell] = -number
      } else if marks[cell] == 1 {
        marks[cell] = number
      }
      border.append(point(cell))
      if next == start && cell == first { return border }
      (previous, cell) = (cell, next)
    }
  }
}
