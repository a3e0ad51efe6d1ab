/// Cleaner of a map of labels: holes are filled, islands take the label round them, strays go.
struct LabelCleaner: ~Copyable {
  /// For each pixel the last piece whose surroundings it was counted in.
  private var stamps = ScratchBuffer<UInt32>()
  private var lastStamp: UInt32 = 0
  private var before = ScratchBuffer<UInt8>()

  /// A map: `height` rows of `stride` labels, of which `width` count.
  struct Map {
    let labels: UnsafeMutablePointer<UInt8>
    let width: Int
    let height: Int
    let stride: Int
    var pixels: Int { width * height }
  }

  /// Cleans a map in place.
  ///
  /// - Parameters:
  ///   - map: Labels; 0 is none.
  ///   - covered: Laid out as the map; not 0 where an accepted person is.
  ///   - rules: How large pieces are.
  mutating func clean(
    _ map: Map, covered: UnsafePointer<UInt8>, _ rules: ModelContract.MaskRefinement
  ) {
    let size = map.stride * map.height
    stamps.reserve(size).update(repeating: 0, count: size)
    lastStamp = 0
    fillHoles(map, most: rules.holeArea * Double(map.pixels))
    absorbIslands(map, most: rules.islandArea * Double(map.pixels))
    dropStrays(map, covered: covered, least: rules.leastCover)
  }

  /// What is not labelled and touches no border gets the commonest label at its sides.
  private mutating func fillHoles(_ map: Map, most: Double) {
    let found = map.pieces(groups: (0..<256).map { $0 == 0 ? 1 : 0 }, atCorners: false)
    let isHole = found.pieces.map { piece in
      piece.rows.lowerBound > 0 && piece.rows.upperBound < map.height - 1
        && piece.columns.lowerBound > 0 && piece.columns.upperBound < map.width - 1
        && Double(piece.pixels) <= most
    }
    let around = surroundings(of: found, where: isHole, in: map, map.labels, atCorners: false)
    for run in found.runs where isHole[run.piece] {
      map.set(run, around[run.piece] ?? 0)
    }
  }

  /// A small piece of a label gets the commonest label at its sides and corners, if that is one.
  private mutating func absorbIslands(_ map: Map, most: Double) {
    let found = map.pieces(groups: (0..<256).map { UInt8($0) }, atCorners: true)
    let isIsland = found.pieces.map { Double($0.pixels) <= most }
    let size = map.stride * map.height
    let before = before.reserve(size)
    before.update(from: map.labels, count: size)
    let around = surroundings(of: found, where: isIsland, in: map, before, atCorners: true)
    for run in found.runs where isIsland[run.piece] {
      if let label = around[run.piece], label != 0 { map.set(run, label) }
    }
  }

  /// What persons cover too little of is nobody's.
  private func dropStrays(_ map: Map, covered: UnsafePointer<UInt8>, least: Double) {
    let found = map.pieces(groups: (0..<256).map { $0 == 0 ? 0 : 1 }, atCorners: true)
    var cover = [Int](repeating: 0, count: found.pieces.count)
    for run in found.runs {
      let row = covered + run.row * map.stride
      for x in run.columns where row[x] != 0 { cover[run.piece] += 1 }
    }
    for run in found.runs {
      let pixels = Double(found.pieces[run.piece].pixels)
      if Double(cover[run.piece]) < least * pixels { map.set(run, 0) }
    }
  }

  /// Of each of the pieces that are wanted, the commonest label of the pixels that touch it, the
  /// lowest of equals; nil where there are none.
  ///
  /// A neighbour that is of the piece's own label is of the piece.
  private mutating func surroundings(
    of found: LabelPieces, where isWanted: [Bool], in map: Map, _ labels: UnsafePointer<UInt8>,
    atCorners: Bool
  ) -> [Int: UInt8] {
    var runs: [Int: [LabelPieces.Run]] = [:]
    for run in found.runs where isWanted[run.piece] { runs[run.piece, default: []].append(run) }
    let stamps = stamps.reserve(map.stride * map.height)
    var result: [Int: UInt8] = [:]
    for (piece, runs) in runs {
      lastStamp += 1
      let stamp = lastStamp
      var counts = [Int](repeating: 0, count: 256)
      let own = labels[runs[0].row * map.stride + runs[0].columns.lowerBound]
      func count(_ x: Int, _ y: Int) {
        guard (0..<map.width).contains(x), (0..<map.height).contains(y) else { return }
        let place = y * map.stride + x
        if labels[place] == own || stamps[place] == stamp { return }
        stamps[place] = stamp
        counts[Int(labels[place])] += 1
      }
      for run in runs {
        count(run.columns.lowerBound - 1, run.row)
        count(run.columns.upperBound, run.row)
        let reach = atCorners ? 1 : 0
        for x in run.columns.lowerBound - reach..<run.columns.upperBound + reach {
          count(x, run.row - 1)
          count(x, run.row + 1)
        }
      }
      guard let most = counts.max(), most > 0 else { continue }
      result[piece] = counts.firstIndex(of: most).map { UInt8($0) }
    }
    return result
  }
}

extension LabelCleaner.Map {
  fileprivate func pieces(groups: [UInt8], atCorners: Bool) -> LabelPieces {
    LabelPieces(
      labels, width: width, height: height, stride: stride, groups: groups, atCorners: atCorners)
  }

  fileprivate func set(_ run: LabelPieces.Run, _ label: UInt8) {
    (labels + run.row * stride + run.columns.lowerBound)
      .update(repeating: label, count: run.columns.count)
  }
}
