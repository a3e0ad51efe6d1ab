import CPostprocess

/// Fusion of the logits of a photo with those of crops round persons in it, as SCHP has it for several
/// persons (Li et al., "Self-Correction for Human Parsing", 2020): all are resized to the photo; what
/// crops say of a class is averaged where they overlap, and of the background the least counts; then the
/// photo's and the crops' are averaged, and of the classes the one with the highest is taken.
///
/// It goes strip by strip, and crop by crop within a strip, so that it needs the memory of a strip,
/// however many crops there are.
struct CropFusion: ~Copyable {
  private var logitRows = PlaneRows()
  private var sums = ScratchBuffer<Float>()
  private var line = ScratchBuffer<Float>()
  private var shares = ScratchBuffer<Float>()
  private var least = ScratchBuffer<Float>()
  private var winners = ScratchBuffer<UInt8>()

  private static let lanes = MaskSampler.lanes
  /// Rows of a strip, where that many values fit into it.
  private static let stripRows = 16
  private static let stripValues = 1 << 21
  /// Pixels alike, side by side, of which one tells how sure the network is.
  private static let scoredRun = 8
  /// Above all logits, and finite.
  private static let certain: Float = 1e30

  /// Merges all pieces.
  ///
  /// - Parameters:
  ///   - logits: Of the photo and its crops.
  ///   - classes: How many there are.
  ///   - crops: What is outside of all crops.
  ///   - team: The threads.
  /// - Returns: The result at the photo's size, without persons. A class's score is the mean of its
  ///   softmax over its pixels, one of up to eight neighbours standing for all of them.
  static func parse(
    _ logits: CropLogits, classes: Int, crops: ModelContract.Crops, team: ThreadTeam<Workspace>
  ) -> ParsingResult {
    ClassRowMerger.parse(
      logits.pieces[0].geometry, classes: classes, persons: nil, team: team,
      score: { total, count in Float(total / Double(count)) }
    ) { memory, rows, labels, totals in
      for rows in rows {
        memory.crops.merge(
          logits, classes: classes, outside: crops.outside, rows: rows, labels: labels,
          totals: totals)
      }
    }
  }

  private mutating func merge(
    _ logits: CropLogits, classes: Int, outside: ModelContract.Crops.Outside, rows: Range<Int>,
    labels: UnsafeMutablePointer<UInt8>, totals: UnsafeMutablePointer<Double>
  ) {
    let geometry = logits.pieces[0].geometry
    let width = roundedUp(geometry.imageWidth, to: Self.lanes)
    let height = max(1, min(Self.stripRows, Self.stripValues / (classes * width)))
    for start in stride(from: rows.lowerBound, to: rows.upperBound, by: height) {
      let strip = Strip(
        rows: start..<min(start + height, rows.upperBound), width: width, classes: classes,
        sums: sums.reserve(classes * height * width), shares: shares.reserve(height * width),
        least: least.reserve(height * width))
      fuse(logits, strip)
      label(
        strip, width: geometry.imageWidth, outside: outside,
        chunkRows: ClassRowMerger.chunkRows(geometry), labels: labels, totals: totals)
    }
  }

  /// Rows of the photo, and what is summed up for them.
  private struct Strip {
    let rows: Range<Int>
    /// Whole vectors.
    let width: Int
    let classes: Int
    /// For each class and pixel the photo's logit and the mean of the crops', but for the background's.
    let sums: UnsafeMutablePointer<Float>
    /// For each pixel 1 by the number of crops that show it; 0 where none does.
    let shares: UnsafeMutablePointer<Float>
    /// For each pixel the least that a crop says of the background.
    let least: UnsafeMutablePointer<Float>

    var pixels: Int { rows.count * width }

    func offset(of row: Int) -> Int { (row - rows.lowerBound) * width }
  }

  /// Sums up the logits of a strip.
  private mutating func fuse(_ logits: CropLogits, _ strip: Strip) {
    let photo = logits.pieces[0]
    logitRows.prepare(
      strip.classes, width: photo.width, height: photo.height, geometry: photo.geometry,
      alignsCorners: photo.alignsCorners, to: .image)
    logits.withLogits(of: photo) { values in
      for y in strip.rows {
        logitRows.read(y, of: values) { index, row in
          var row = row
          m2fp_post_blend_row(
            &row, 0, Int32(strip.width), strip.sums + index * strip.pixels + strip.offset(of: y))
        }
      }
    }
    let crops = logits.pieces.dropFirst().compactMap { piece in
      let rows = strip.rows.clamped(to: piece.box.y..<piece.box.y + piece.box.height)
      return rows.isEmpty ? nil : (piece: piece, rows: rows)
    }
    strip.shares.update(repeating: 0, count: strip.pixels)
    strip.least.update(repeating: .greatestFiniteMagnitude, count: strip.pixels)
    for (piece, rows) in crops {
      for y in rows {
        let shares = strip.shares + strip.offset(of: y) + piece.box.x
        for x in 0..<piece.box.width { shares[x] += 1 }
      }
    }
    for pixel in 0..<strip.pixels where strip.shares[pixel] > 1 {
      strip.shares[pixel] = 1 / strip.shares[pixel]
    }
    for (piece, rows) in crops {
      logitRows.prepare(
        strip.classes, width: piece.width, height: piece.height, geometry: piece.geometry,
        alignsCorners: piece.alignsCorners, to: .image)
      let columns = piece.box.width
      let line = line.reserve(roundedUp(columns, to: Self.lanes))
      logits.withLogits(of: piece) { values in
        for y in rows {
          let offset = strip.offset(of: y) + piece.box.x
          logitRows.read(y - piece.box.y, of: values) { index, row in
            var row = row
            m2fp_post_blend_row(&row, 0, Int32(roundedUp(columns, to: Self.lanes)), line)
            if index == 0 {
              let least = strip.least + offset
              for x in 0..<columns { least[x] = min(least[x], line[x]) }
            } else {
              let (sums, shares) = (
                strip.sums + index * strip.pixels + offset, strip.shares + offset
              )
              for x in 0..<columns { sums[x] += line[x] * shares[x] }
            }
          }
        }
      }
    }
  }

  /// Finds the highest class of each pixel of a strip, and adds up how sure the network is of it.
  private mutating func label(
    _ strip: Strip, width: Int, outside: ModelContract.Crops.Outside, chunkRows: Int,
    labels: UnsafeMutablePointer<UInt8>, totals: UnsafeMutablePointer<Double>
  ) {
    let winners = winners.reserve(strip.width)
    for y in strip.rows {
      let (sums, shares) = (strip.sums + strip.offset(of: y), strip.shares + strip.offset(of: y))
      let least = strip.least + strip.offset(of: y)
      for x in 0..<width {
        if shares[x] > 0 {
          sums[x] += least[x]
        } else if outside == .background {
          sums[x] = Self.certain
        }
      }
      for x in stride(from: 0, to: strip.width, by: Self.lanes) {
        storeBytes(
          highestClass(strip.classes) { loadLanes(sums + $0 * strip.pixels + x) }, winners + x)
      }
      (labels + y * width).update(from: winners, count: width)
      let totals = totals + y / chunkRows * strip.classes
      var start = 0
      while start < width {
        let label = winners[start]
        var end = start + 1
        while end < width, end - start < Self.scoredRun, winners[end] == label { end += 1 }
        // Sums of two are twice their mean.
        let scale: Float = shares[start] > 0 ? 0.5 : 1
        let highest = sums[Int(label) * strip.pixels + start]
        var whole: Float = 0
        for index in 0..<strip.classes {
          whole += m2fp_post_exp((sums[index * strip.pixels + start] - highest) * scale)
        }
        totals[Int(label)] += Double(end - start) / Double(whole)
        start = end
      }
    }
  }
}
