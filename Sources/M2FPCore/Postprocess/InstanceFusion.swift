import CPostprocess

/// Fuser of instances that several passes over one picture have found, as M2FP's test-time
/// augmentation does it (`predictions_merge`).
///
/// Of each class the best comes first. Those whose masks overlap with it by an IoU of a half or more
/// are the same: one instance with the best score and the mean of the masks' logits. Scores of the
/// others sink by exp(−IoU² / 0.5).
struct InstanceFusion: ~Copyable {
  private static let sameFrom: Float = 0.5

  private var planes = ScratchBuffer<Float>()

  /// Fuses instances; their new masks live until the next call.
  ///
  /// - Parameters:
  ///   - instances: By descending score.
  ///   - masks: The masks of their queries.
  ///   - team: The threads.
  /// - Returns: The fused ones by descending score, and their masks: the query of an instance is the
  ///   place of its mask among these.
  mutating func fuse(
    _ instances: [Instance], _ masks: Masks, team: ThreadTeam<Workspace>
  ) -> (instances: [Instance], masks: Masks) {
    var scores = instances.map(\.score)
    var isTaken = [Bool](repeating: false, count: instances.count)
    /// The best of each first.
    var groups: [[Int]] = []
    for first in instances.indices where !isTaken[first] {
      var group = [first]
      for other in instances.indices[(first + 1)...]
      where !isTaken[other] && instances[other].classIndex == instances[first].classIndex {
        let overlap = Self.overlap(
          masks[instances[first].query], masks[instances[other].query], count: masks.size)
        scores[other] *= m2fp_post_exp(-overlap * overlap / 0.5)
        if overlap >= Self.sameFrom {
          isTaken[other] = true
          group.append(other)
        }
      }
      groups.append(group)
    }
    let planes = planes.reserve(max(groups.count, 1) * masks.size)
    for (place, group) in groups.enumerated() {
      let plane = planes + place * masks.size
      plane.update(from: masks[instances[group[0]].query], count: masks.size)
      for other in group.dropFirst() {
        let mask = masks[instances[other].query]
        for cell in 0..<masks.size { plane[cell] += mask[cell] }
      }
      let share = 1 / Float(group.count)
      if group.count > 1 { for cell in 0..<masks.size { plane[cell] *= share } }
    }
    let means = Masks(
      logits: planes, width: masks.width, height: masks.height, stride: masks.stride,
      geometry: masks.geometry)
    let statistics = MaskStatistics.of(Array(groups.indices), means, team: team)
    var fused = zip(groups, statistics).enumerated().map { place, found in
      let best = instances[found.0[0]]
      return Instance(
        query: place, classIndex: best.classIndex, classScore: best.classScore,
        score: found.0.map { scores[$0] }.max() ?? best.score, pixelCount: found.1.pixelCount,
        box: found.1.box)
    }
    fused.sort { $0.score > $1.score }
    return (fused, means)
  }

  /// Intersection over union of what is above zero.
  private static func overlap(
    _ one: UnsafePointer<Float>, _ other: UnsafePointer<Float>, count: Int
  ) -> Float {
    var (both, any) = (0, 0)
    for cell in 0..<count {
      let (a, b) = (one[cell] > 0, other[cell] > 0)
      both += a && b ? 1 : 0
      any += a || b ? 1 : 0
    }
    return any == 0 ? 0 : Float(both) / Float(any)
  }
}
