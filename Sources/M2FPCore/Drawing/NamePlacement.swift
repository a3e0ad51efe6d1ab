/// Finds places for names beside what they name.
struct NamePlacement {
  private let width: Int
  private let height: Int
  /// Summed-area table of pixels that belong to a class, in cells of `step` pixels: a name should
  /// not cover what there is to see.
  private let busy: [Int32]
  private let step: Int
  private let columns: Int
  private let rows: Int
  private var placed: [Instance.Box] = []
  private var anchors: [SIMD2<Float>]

  private static let gridSide = 256
  private static let directions = 24
  /// How much of a name may lie on persons: what is under it is what the picture is looked at for.
  private static let mostBusy: Float = 0.25
  private static let rings = 28

  /// - Parameters:
  ///   - labels: The class map of the image that the names go on.
  ///   - anchors: What the names point at; names keep off all of them.
  init(_ labels: LabelMap, anchors: [SIMD2<Float>]) {
    width = labels.width
    height = labels.height
    self.anchors = anchors
    step = max(1, (max(width, height) + Self.gridSide - 1) / Self.gridSide)
    columns = (width + step - 1) / step
    rows = (height + step - 1) / step
    var sums = [Int32](repeating: 0, count: (columns + 1) * (rows + 1))
    for row in 0..<rows {
      var sum: Int32 = 0
      for column in 0..<columns {
        let pixel =
          min(row * step + step / 2, height - 1) * width + min(column * step + step / 2, width - 1)
        if labels.pixels[pixel] != 0 { sum += 1 }
        sums[(row + 1) * (columns + 1) + column + 1] =
          sums[row * (columns + 1) + column + 1] + sum
      }
    }
    busy = sums
  }

  /// Takes the best free place for a name of the given size.
  ///
  /// Places lie on rings round the anchor. Near beats far, free ground beats a person, and nothing
  /// lies on another name, leaves the image, or covers more than a little of a person.
  ///
  /// - Parameters:
  ///   - boxWidth: Pixels.
  ///   - boxHeight: Pixels.
  ///   - anchor: The point that is named.
  ///   - gap: Pixels that must stay free between names.
  /// - Returns: Nil if there is no place for it.
  mutating func place(
    width boxWidth: Int, height boxHeight: Int, anchor: SIMD2<Float>, gap: Int
  ) -> Instance.Box? {
    guard boxWidth <= width, boxHeight <= height else { return nil }
    var best: (cost: Float, box: Instance.Box)?
    for ring in 1...Self.rings {
      let radius = Float(ring * boxHeight) * 0.75
      // Costs only rise from here.
      if let best, radius / Float(boxHeight) > best.cost { break }
      for direction in 0..<Self.directions {
        let box = box(boxWidth, boxHeight, anchor, radius, direction)
        guard box.x >= 0, box.y >= 0, box.x + boxWidth <= width, box.y + boxHeight <= height,
          !placed.contains(where: { $0.overlaps(box, gap: gap) })
        else { continue }
        let busy = busyShare(of: box)
        if busy > Self.mostBusy { continue }
        var cost = radius / Float(boxHeight) + 9 * busy
        for other in anchors where box.contains(other, gap: gap) { cost += other == anchor ? 4 : 2 }
        if cost < (best?.cost ?? .infinity) { best = (cost, box) }
      }
    }
    if let best { placed.append(best.box) }
    return best?.box
  }

  /// The box in a direction from the anchor, moved out so far that `radius` is left to its edge.
  private func box(
    _ boxWidth: Int, _ boxHeight: Int, _ anchor: SIMD2<Float>, _ radius: Float, _ direction: Int
  ) -> Instance.Box {
    let vector = Self.unitVectors[direction]
    let half = SIMD2(Float(boxWidth), Float(boxHeight)) / 2
    let centre = anchor + vector * (SIMD2(repeating: radius) + half)
    return Instance.Box(
      x: Int((centre.x - half.x).rounded()), y: Int((centre.y - half.y).rounded()),
      width: boxWidth, height: boxHeight)
  }

  /// Evenly round, the right hand side first. (Points of the unit circle by repeated rotation.)
  private static let unitVectors: [SIMD2<Float>] = {
    // cos and sin of 2π / 24.
    let (cosine, sine): (Float, Float) = (0.965_925_83, 0.258_819_05)
    var vectors: [SIMD2<Float>] = [SIMD2(1, 0)]
    for _ in 1..<directions {
      let last = vectors[vectors.count - 1]
      vectors.append(
        SIMD2(last.x * cosine - last.y * sine, last.x * sine + last.y * cosine))
    }
    return vectors
  }()

  private func busyShare(of box: Instance.Box) -> Float {
    let (left, top) = (box.x / step, box.y / step)
    let right = max(left + 1, min(columns, (box.x + box.width) / step))
    let bottom = max(top + 1, min(rows, (box.y + box.height) / step))
    func sum(_ row: Int, _ column: Int) -> Int32 { busy[row * (columns + 1) + column] }
    let inside = sum(bottom, right) - sum(top, right) - sum(bottom, left) + sum(top, left)
    return Float(inside) / Float((right - left) * (bottom - top))
  }
}

extension Instance.Box {
  func overlaps(_ other: Instance.Box, gap: Int = 0) -> Bool {
    x < other.x + other.width + gap && other.x < x + width + gap
      && y < other.y + other.height + gap && other.y < y + height + gap
  }

  func contains(_ point: SIMD2<Float>, gap: Int) -> Bool {
    point.x >= Float(x - gap) && point.x <= Float(x + width + gap) && point.y >= Float(y - gap)
      && point.y <= Float(y + height + gap)
  }

  /// The point of the box that is nearest to another.
  func nearest(to point: SIMD2<Float>) -> SIMD2<Float> {
    SIMD2(
      min(max(point.x, Float(x)), Float(x + width)),
      min(max(point.y, Float(y)), Float(y + height)))
  }
}
