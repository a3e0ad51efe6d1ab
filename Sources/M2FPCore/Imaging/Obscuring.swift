/// How regions of a photo are made unrecognisable.
///
/// What is left of a region is the mean colour of a few cells: neither a filter nor a network brings back
/// more than those numbers say. A region is all that one person has of the classes; its size is the
/// square root of its pixels.
public struct Obscuring: Sendable, Equatable {
  /// What the cells are filled with.
  public enum Style: String, Sendable, Codable, CaseIterable {
    /// Passages from the mean of one cell to the next.
    case blur
    /// The mean of each cell.
    case pixelate
  }

  /// Indices of the classes of which each person's pixels are one region, closed to its convex hull: those
  /// of heads, of which the network leaves out slits and profiles.
  public let heads: Set<Int>
  /// Indices of other classes; their holes are closed.
  public let others: Set<Int>
  public var style: Style
  /// How far regions are grown at their edges: the share of their size.
  public var grow: Float = Obscuring.standardGrow

  /// Half as much again as the share from which on no more of the faces was covered in photos
  /// (docs/outputs.md has the figures).
  public static let standardGrow: Float = 0.3

  /// Cells that the size of a region is divided by.
  private static let cells: Float = 4
  /// Pixels of a cell's side.
  private static let leastCell = 4

  /// What heads consist of, by the slugs of classes: the network takes one for the other, and half a head
  /// tells who it is.
  private static let headNames: Set<String> = ["hat", "hair", "sunglasses", "face", "head"]

  /// - Parameters:
  ///   - classes: Indices of the classes to obscure; one that heads consist of means them all.
  ///   - names: The names of all classes.
  ///   - style: What is left.
  public init(_ classes: Set<Int>, of names: [String], style: Style) {
    let heads = Set(
      names.indices.filter { Self.headNames.contains(ClassNames.slug(names[$0])) })
    self.heads = classes.isDisjoint(with: heads) ? [] : heads
    others = classes.subtracting(heads)
    self.style = style
  }

  /// Obscures a photo.
  ///
  /// - Parameters:
  ///   - photo: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - persons: A person id for each pixel, or nil; what is nobody's counts by connected regions.
  /// - Returns: The photo, with nothing in the regions that was there.
  public func callAsFunction(
    _ photo: RGBImage, labels: LabelMap, persons: LabelMap?
  ) -> RGBImage {
    var photo = photo
    for (classes, areHeads) in [(heads, true), (others, false)] where !classes.isEmpty {
      for region in Region.find(classes, labels: labels, persons: persons) {
        let size = Float(region.area).squareRoot()
        var region = region
        region.widen(by: grow * size, isHead: areHeads, within: labels)
        style.fill(
          region, of: &photo, cell: max(Self.leastCell, Int((size / Self.cells).rounded())))
      }
    }
    return photo
  }
}

/// Part of an image, by a mask of its box.
private struct Region {
  var mask: BitMask
  /// Where the mask's first pixel lies.
  var left: Int
  var top: Int
  /// Pixels, before it is widened.
  let area: Int

  /// What each person has of some classes, and each connected region of them that is nobody's.
  static func find(_ classes: Set<Int>, labels: LabelMap, persons: LabelMap?) -> [Region] {
    let isWanted = (0..<256).map(classes.contains)
    var boxes = [BoxTally](repeating: BoxTally(), count: 256)
    // 0 where it is not of the classes, 1 for nobody's, else the person's id and 1.
    var owners = [UInt16](repeating: 0, count: labels.pixels.count)
    for y in 0..<labels.height {
      for x in 0..<labels.width {
        let pixel = y * labels.width + x
        guard isWanted[Int(labels.pixels[pixel])] else { continue }
        let person = persons?.pixels[pixel] ?? 0
        owners[pixel] = UInt16(person) + 1
        boxes[Int(person)].add(x, y)
      }
    }
    func region(_ box: Instance.Box, _ area: Int, _ owner: UInt16) -> Region {
      var mask: [Bool] = []
      for y in box.y..<box.y + box.height {
        let row = y * labels.width + box.x
        mask += owners[row..<row + box.width].map { $0 == owner }
      }
      return Region(
        mask: BitMask(width: box.width, height: box.height, pixels: mask), left: box.x, top: box.y,
        area: area)
    }
    let ofPersons = (1..<256).compactMap { id in
      boxes[id].box.map { region($0, boxes[id].count, UInt16(id) + 1) }
    }
    guard let nobodys = boxes[0].box.map({ region($0, boxes[0].count, 1) }) else {
      return ofPersons
    }
    let pieces = nobodys.mask.pieces(of: true, atCorners: true)
    var regions = pieces.pieces.map { piece in
      let (width, height) = (piece.columns.count, piece.rows.count)
      return Region(
        mask: BitMask(
          width: width, height: height, pixels: [Bool](repeating: false, count: width * height)),
        left: nobodys.left + piece.columns.lowerBound, top: nobodys.top + piece.rows.lowerBound,
        area: piece.pixels)
    }
    for run in pieces.runs {
      let piece = pieces.pieces[run.piece]
      let row = (run.row - piece.rows.lowerBound) * piece.columns.count
      for x in run.columns {
        regions[run.piece].mask.pixels[row + x - piece.columns.lowerBound] = true
      }
    }
    return ofPersons + regions
  }

  /// Closes and grows the region within the image of a map.
  mutating func widen(by radius: Float, isHead: Bool, within map: LabelMap) {
    let margin = Int(radius.rounded(.up)) + 1
    let (right, bottom) = (
      min(map.width, left + mask.width + margin), min(map.height, top + mask.height + margin)
    )
    let (newLeft, newTop) = (max(0, left - margin), max(0, top - margin))
    var padded = BitMask(
      width: right - newLeft, height: bottom - newTop,
      pixels: [Bool](repeating: false, count: (right - newLeft) * (bottom - newTop)))
    for y in 0..<mask.height {
      let target = (top - newTop + y) * padded.width + left - newLeft
      padded.pixels.replaceSubrange(
        target..<target + mask.width, with: mask.pixels[y * mask.width..<(y + 1) * mask.width])
    }
    (left, top) = (newLeft, newTop)
    mask =
      isHead
      ? padded.grown(by: radius).convexRegions : padded.fillingHoles().grown(by: radius)
  }
}

/// A box round points.
private struct BoxTally {
  private(set) var count = 0
  private var (left, top, right, bottom) = (Int.max, Int.max, -1, -1)

  mutating func add(_ x: Int, _ y: Int) {
    count += 1
    (left, right) = (min(left, x), max(right, x))
    (top, bottom) = (min(top, y), max(bottom, y))
  }

  /// Nil for no point.
  var box: Instance.Box? {
    count == 0
      ? nil : Instance.Box(x: left, y: top, width: right + 1 - left, height: bottom + 1 - top)
  }
}

extension Obscuring.Style {
  /// Replaces a region's pixels by what its cells tell of them.
  fileprivate func fill(_ region: Region, of photo: inout RGBImage, cell: Int) {
    let mask = region.mask
    let columns = (mask.width + cell - 1) / cell
    var cells = [SIMD4<Float>](
      repeating: .zero, count: columns * ((mask.height + cell - 1) / cell))
    func place(_ x: Int, _ y: Int) -> Int {
      3 * ((region.top + y) * photo.width + region.left + x)
    }
    for y in 0..<mask.height {
      for x in 0..<mask.width where mask.pixels[y * mask.width + x] {
        let pixel = place(x, y)
        cells[y / cell * columns + x / cell] += SIMD4(
          Float(photo.pixels[pixel]), Float(photo.pixels[pixel + 1]),
          Float(photo.pixels[pixel + 2]), 1)
      }
    }
    // The last channel says whether there is a mean.
    cells = cells.map { $0.w > 0 ? $0 / SIMD4(repeating: $0.w) : $0 }
    let weights = Self.weights(cell: cell)
    for y in 0..<mask.height {
      for x in 0..<mask.width where mask.pixels[y * mask.width + x] {
        let (row, column) = (y / cell, x / cell)
        var colour = cells[row * columns + column]
        if self == .blur {
          colour = .zero
          for dy in -1...1 where cells.indices.contains((row + dy) * columns) {
            for dx in -1...1 where (0..<columns).contains(column + dx) {
              colour +=
                cells[(row + dy) * columns + column + dx]
                * (weights[x % cell][dx + 1] * weights[y % cell][dy + 1])
            }
          }
          colour /= SIMD4(repeating: colour.w)
        }
        let pixel = place(x, y)
        for channel in 0..<3 { photo.pixels[pixel + channel] = UInt8(colour[channel] + 0.5) }
      }
    }
  }

  /// The weights of the cell before, this one and the next for each pixel of a cell: a quadratic B-spline's.
  private static func weights(cell: Int) -> [SIMD3<Float>] {
    (0..<cell).map {
      let offset = (Float($0) + 0.5) / Float(cell) - 0.5
      return SIMD3(
        (0.5 - offset) * (0.5 - offset) / 2, 0.75 - offset * offset,
        (0.5 + offset) * (0.5 + offset) / 2)
    }
  }
}
