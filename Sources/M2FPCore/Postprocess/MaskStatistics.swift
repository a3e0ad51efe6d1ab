import CPostprocess

/// What is known of a mask at the image's size without keeping it.
struct MaskStatistics: Equatable {
  /// Mean of the logistic function over the pixels whose logit is above zero; 0 if there are none.
  let score: Float
  /// How many such pixels there are.
  let pixelCount: Int
  /// The box round them.
  let box: Instance.Box?
}

extension MaskSampler {
  /// Walks a mask's pixels once and sums up those above zero. Uses region slot 0.
  mutating func statistics(of logits: UnsafePointer<Float>, imageWidth: Int) -> MaskStatistics {
    let region = region(of: logits, above: 0, slot: 0)
    var tally = m2fp_post_tally.empty
    var left = region.columns.lowerBound
    while left < region.columns.upperBound {
      let columns = left..<min(left + Self.stripWidth, imageWidth)
      forEachRow(of: region, rows: region.rows, columns: columns) { y, range, row in
        m2fp_post_tally_row(
          &row, Int32(range.lowerBound), Int32(range.upperBound), Int32(left), Int32(y), &tally)
      }
      left = columns.upperBound
    }
    return MaskStatistics(tally)
  }
}

extension m2fp_post_tally {
  /// Of no pixel yet.
  static var empty: m2fp_post_tally {
    m2fp_post_tally(count: 0, complements: 0, first: .max, last: -1, top: .max, bottom: -1)
  }
}

extension MaskStatistics {
  init(_ tally: m2fp_post_tally) {
    let count = Double(tally.count)
    guard count > 0 else {
      self.init(score: 0, pixelCount: 0, box: nil)
      return
    }
    // The reference guards its division by 1e-6 more pixels.
    self.init(
      score: Float((count - tally.complements) / (count + 1e-6)), pixelCount: Int(tally.count),
      box: Instance.Box(
        x: Int(tally.first), y: Int(tally.top), width: Int(tally.last - tally.first) + 1,
        height: Int(tally.bottom - tally.top) + 1))
  }
}

extension MaskStatistics {
  /// Sums up the masks of some queries, on all threads.
  static func of(
    _ queries: [Int], _ masks: Masks, team: ThreadTeam<Workspace>
  ) -> [MaskStatistics] {
    let inPatches = PatchSampler.suits(masks.geometry, layers: 1)
    return team.map(queries) { memory, query in
      if inPatches {
        memory.patchSampler.prepare(masks, regions: 1)
        return memory.patchSampler.statistics(of: masks[query])
      } else {
        memory.sampler.prepare(masks, regions: 1)
        return memory.sampler.statistics(of: masks[query], imageWidth: masks.geometry.imageWidth)
      }
    }
  }
}
