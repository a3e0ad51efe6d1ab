import CPostprocess
import Glibc

/// Refiner of part masks: they follow the picture, without holes, crumbs and strays.
///
/// It works at the size that the picture has in the network's input, between the scores of instances
/// and their merge (`Models/m2fp/refine.py` specifies it, step by step):
///
/// 1. Each query with a part has chances, its best part's score times the mask's probability.
/// 2. They are smoothed by a guided filter with the grey picture.
/// 3. A pixel gets the class of the largest chance, above the mask threshold;
/// 4. within persons already above a lower one.
/// 5. Holes, islands and strays of that map are cleaned (``LabelCleaner``).
/// 6. What has become of the chances is turned into masks again, at the picture's size; where the map
///    was changed, those of its class's first query are sure.
struct MaskRefiner: ~Copyable {
  private var planes = ScratchBuffer<Float>()
  private var guide = ScratchBuffer<Float>()
  private var best = ScratchBuffer<Float>()
  private var labels = ScratchBuffer<UInt8>()
  private var cleaner = LabelCleaner()

  /// A query and the best of its parts.
  struct Part {
    let query: Int
    let classIndex: Int
    let score: Float
  }

  /// The share that a mask's probability is at least and at most away from 0 and 1.
  private static let least: Float = 0.02
  /// The probability of a mask where its class was given to a pixel.
  private static let given: Float = 0.9
  /// What is added to the sums of a chance by a mask below this is lost in rounding.
  fileprivate static let lowest: Float = -17

  /// The queries of parts that score at least `least`, by class and number, each with its best.
  static func parts(_ instances: [Instance], least: Float) -> [Part] {
    var best: [Int: Part] = [:]
    for instance in instances where instance.score >= least {
      if let other = best[instance.query], other.score >= instance.score { continue }
      best[instance.query] = Part(
        query: instance.query, classIndex: instance.classIndex, score: instance.score)
    }
    return best.values.sorted { ($0.classIndex, $0.query) < ($1.classIndex, $1.query) }
  }

  /// Makes new masks, which live until the next call.
  ///
  /// - Parameters:
  ///   - parts: In the order of their classes, and of their queries within a class.
  ///   - persons: The masks of accepted persons, laid out as `masks`.
  ///   - masks: The masks of all queries.
  ///   - picture: The picture at the size that it has in the network's input.
  ///   - maskThreshold: Chance above which a pixel counts.
  ///   - rules: How to refine.
  ///   - team: The threads.
  /// - Returns: A mask for each of the parts, in their order.
  mutating func refine(
    _ parts: [Part], persons: [UnsafePointer<Float>], masks: Masks, picture: RGBImage,
    maskThreshold: Float,
    rules: ModelContract.MaskRefinement, team: ThreadTeam<Workspace>
  ) -> Masks {
    let (width, height) = (picture.width, picture.height)
    precondition(
      width == masks.geometry.contentWidth && height == masks.geometry.contentHeight,
      "the picture is the network's")
    let stride = roundedUp(width, to: MaskSampler.lanes)
    let size = stride * height
    let content = masks.atContentSize
    let planes = planes.reserve(max(parts.count, 1) * size)
    let filter = makeGuide(picture, rules, stride: stride)
    let areas = team.map(Array(parts.indices)) { memory, index in
      memory.sampler.prepare(content, regions: 1)
      return memory.smooth(
        content[parts[index].query], score: parts[index].score, guide: filter,
        planes + index * size)
    }

    // The map of classes before it is cleaned, after, and where persons are.
    let labels = labels.reserve(3 * size)
    let (cleaned, covered) = (labels + size, labels + 2 * size)
    let best = best.reserve(size)
    best.update(repeating: 0, count: size)
    labels.update(repeating: 0, count: 3 * size)
    team.forEachChunk(height, chunksOf: 64) { memory, chunks in
      memory.sampler.prepare(content, regions: 1)
      for rows in chunks {
        for person in persons {
          memory.cover(person, rows, width: width, stride: stride, covered)
        }
        for y in rows {
          let row = y * stride
          for (index, area) in areas.enumerated() where area.rows.contains(y) {
            let start = row + Int(area.left)
            m2fp_post_lead_row(
              planes + index * size + start, area.right - area.left, parts[index].score,
              UInt8(parts[index].classIndex), best + start, labels + start)
          }
          for place in row..<row + width {
            let least = covered[place] == 0 ? maskThreshold : rules.fillThreshold
            cleaned[place] = best[place] > min(least, maskThreshold) ? labels[place] : 0
            labels[place] = best[place] > maskThreshold ? labels[place] : 0
          }
        }
      }
    }
    cleaner.clean(
      LabelCleaner.Map(labels: cleaned, width: width, height: height, stride: stride),
      covered: covered, rules)

    let changed = (0..<size).filter { labels[$0] != cleaned[$0] }
    let firstOfClass = Dictionary(
      parts.enumerated().map { ($0.element.classIndex, $0.offset) }, uniquingKeysWith: min)
    team.forEachChunk(parts.count, chunksOf: 1) { _, chunks in
      for index in chunks.joined() {
        let (plane, area) = (planes + index * size, areas[index])
        for y in 0..<height {
          let row = plane + y * stride
          guard area.rows.contains(y) else {
            row.update(repeating: Self.leastLogit, count: stride)
            continue
          }
          row.update(repeating: Self.leastLogit, count: Int(area.left))
          m2fp_post_logit_row(
            row + Int(area.left), area.right - area.left, parts[index].score, Self.least)
          (row + Int(area.right)).update(
            repeating: Self.leastLogit, count: stride - Int(area.right))
        }
        let isFirst = firstOfClass[parts[index].classIndex] == index
        for place in changed {
          let isGiven = isFirst && Int(cleaned[place]) == parts[index].classIndex
          plane[place] = isGiven ? Self.givenLogit : Self.leastLogit
        }
      }
    }
    return Masks(
      logits: planes, width: width, height: height, stride: stride,
      geometry: masks.geometry.withoutPadding)
  }

  private static let givenLogit = logit(given)
  private static let leastLogit = logit(least)

  private static func logit(_ probability: Float) -> Float {
    Float(log(Double(probability) / (1 - Double(probability))))
  }

  /// The grey picture, its means and its variances.
  private mutating func makeGuide(
    _ picture: RGBImage, _ rules: ModelContract.MaskRefinement, stride: Int
  ) -> m2fp_post_guide {
    let (width, height) = (picture.width, picture.height)
    let size = stride * height
    let grey = guide.reserve(3 * size)
    var result = m2fp_post_guide(
      picture: grey, means: grey + size, spreads: grey + 2 * size, width: Int32(width),
      height: Int32(height), stride: Int32(stride), radius: Int32(rules.radius))
    for y in 0..<height {
      let row = grey + y * stride
      for x in 0..<width { row[x] = Float(picture.grey(y * width + x)) / 255 }
      (row + width).update(repeating: 0, count: stride - width)
    }
    var memory = ScratchBuffer<Float>()
    m2fp_post_prepare_guide(
      &result, rules.epsilon, memory.reserve(m2fp_post_guide_memory(&result)))
    return result
  }
}

extension m2fp_post_area {
  fileprivate var rows: Range<Int32> { top..<bottom }
}

extension Range where Bound == Int32 {
  fileprivate func contains(_ row: Int) -> Bool { contains(Int32(row)) }
}

extension Workspace {
  /// Writes a mask's chances, smoothed.
  ///
  /// - Parameters:
  ///   - logits: The mask's cells; ``sampler`` is prepared for the size of the guide.
  ///   - score: What its probability is multiplied by.
  ///   - guide: Steers the filter.
  ///   - target: As large as the guide's picture.
  /// - Returns: What was written; outside of it the chances are 0.
  fileprivate func smooth(
    _ logits: UnsafePointer<Float>, score: Float, guide: m2fp_post_guide,
    _ target: UnsafeMutablePointer<Float>
  ) -> m2fp_post_area {
    let (width, height, stride) = (Int(guide.width), Int(guide.height), Int(guide.stride))
    let lowest = MaskRefiner.lowest
    let region = sampler.region(of: logits, above: lowest, slot: 0)
    if region.isEmpty { return m2fp_post_area(left: 0, top: 0, right: 0, bottom: 0) }
    var guide = guide
    let rowLength = stride + MaskSampler.lanes
    let memory = scratch.reserve(
      stride * height + (1 + MaskSampler.WidenedRows.count) * rowLength
        + m2fp_post_guide_memory(&guide))
    let line = memory + stride * height
    var widened = MaskSampler.WidenedRows(line + rowLength, stride: rowLength)
    let columns =
      region.columns.lowerBound / MaskSampler.lanes
      * MaskSampler.lanes..<min(roundedUp(region.columns.upperBound, to: MaskSampler.lanes), width)
    for y in region.rows {
      let row = memory + y * stride
      row.update(repeating: 0, count: stride)
      sampler.readRow(of: region, y: y, columns: columns, rows: &widened, line)
      var same = m2fp_post_row(a: line, b: line, c: nil, weight_a: 1, weight_b: 0, weight_c: 0)
      m2fp_post_logistic_row(
        &same, Int32(columns.lowerBound), Int32(columns.upperBound), lowest, score, row)
      (row + columns.upperBound).update(repeating: 0, count: stride - columns.upperBound)
    }
    let area = m2fp_post_area(
      left: Int32(columns.lowerBound), top: Int32(region.rows.lowerBound),
      right: Int32(columns.upperBound), bottom: Int32(region.rows.upperBound))
    return m2fp_post_guided_filter(
      &guide, area, memory, target,
      line + (1 + MaskSampler.WidenedRows.count) * rowLength)
  }

  /// Marks where a mask is above 0, in some rows of a map.
  fileprivate func cover(
    _ logits: UnsafePointer<Float>, _ rows: Range<Int>, width: Int, stride: Int,
    _ map: UnsafeMutablePointer<UInt8>
  ) {
    let region = sampler.region(of: logits, above: 0, slot: 0)
    for left in Swift.stride(from: 0, to: width, by: MaskSampler.stripWidth) {
      let columns = left..<min(left + MaskSampler.stripWidth, width)
      sampler.forEachRow(of: region, rows: rows, columns: columns) { y, range, row in
        let range = range.clamped(to: 0..<columns.count)
        _ = m2fp_post_paint_row(
          &row, Int32(range.lowerBound), Int32(range.upperBound), 1, map + y * stride + left)
      }
    }
  }
}
