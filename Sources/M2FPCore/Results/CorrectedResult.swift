extension ParsingResult {
  /// The result for a class map that a person has corrected: pixels, boxes and persons are counted
  /// anew, scores stay where what they tell of is still there.
  ///
  /// A pixel that is background now is nobody's. What is labelled and nobody's is looked at by
  /// connected regions (4 neighbours): one goes to the person whose border with it is longest, the
  /// better one where two are level; one that touches nobody is a person of its own, score 1, if it
  /// has at least `leastPixels`. New persons come after the others.
  ///
  /// - Parameters:
  ///   - corrected: Of the size of ``labels``; its values are below the number of classes.
  ///   - leastPixels: The least size of a new person.
  /// - Returns: The result; without persons if there were none told apart.
  package func corrected(by corrected: LabelMap, leastPixels: Int) -> ParsingResult {
    let classes = classPixelCounts.count
    var counts = [Int](repeating: 0, count: classes)
    for label in corrected.pixels { counts[Int(label)] += 1 }
    return ParsingResult(
      labels: corrected, parts: parts, humans: humans,
      persons: persons.map {
        $0.corrected(by: corrected, classes: classes, leastPixels: leastPixels)
      },
      classPixelCounts: counts,
      classScores: zip(counts, classScores).map { count, score in count == 0 ? nil : score },
      personLimit: personLimit)
  }
}

extension Persons {
  fileprivate func corrected(
    by labels: LabelMap, classes: Int, leastPixels: Int
  ) -> Persons {
    var ids = zip(map.pixels, labels.pixels).map { id, label in label == 0 ? 0 : id }
    var count = list.count
    for region in Self.unclaimed(ids, labels) {
      var borders = [Int](repeating: 0, count: 256)
      for pixel in region {
        Self.forEachNeighbour(of: pixel, in: labels) { borders[Int(ids[$0])] += 1 }
      }
      borders[0] = 0
      let best = borders.indices.max {
        borders[$0] != borders[$1] ? borders[$0] < borders[$1] : $0 > $1
      }
      let id: Int
      if let best, borders[best] > 0 {
        id = best
      } else if region.count >= leastPixels, count < Persons.most {
        count += 1
        id = count
      } else {
        continue
      }
      for pixel in region { ids[pixel] = UInt8(id) }
    }
    let tallies = PartTally.count(
      labels: labels, map: LabelMap(width: map.width, height: map.height, pixels: ids),
      persons: count, classes: classes)
    var persons: [Person] = []
    // Those of whom nothing is left have no id.
    var renumbered = [UInt8](repeating: 0, count: 256)
    for id in 1..<count + 1 {
      let old = id <= list.count ? list[id - 1] : nil
      var scores = [Float?](repeating: nil, count: classes)
      for part in old?.parts ?? [] { scores[part.classIndex] = part.score }
      let own = tallies[id * classes..<(id + 1) * classes]
      guard let person = Person(score: old?.score ?? 1, tallies: own, scores: scores[...]) else {
        continue
      }
      persons.append(
        Person(
          score: person.score, parsingScore: old?.parsingScore ?? 1, pixelCount: person.pixelCount,
          box: person.box, parts: person.parts))
      renumbered[id] = UInt8(persons.count)
    }
    return Persons(
      map: LabelMap(
        width: map.width, height: map.height, pixels: ids.map { renumbered[Int($0)] }),
      list: persons)
  }

  /// The connected regions of pixels that are labelled and nobody's, by their first pixel.
  private static func unclaimed(_ ids: [UInt8], _ labels: LabelMap) -> [[Int]] {
    var isOpen = zip(ids, labels.pixels).map { id, label in id == 0 && label != 0 }
    var regions: [[Int]] = []
    for first in isOpen.indices where isOpen[first] {
      isOpen[first] = false
      var region = [first]
      var next = 0
      while next < region.count {
        forEachNeighbour(of: region[next], in: labels) { neighbour in
          guard isOpen[neighbour] else { return }
          isOpen[neighbour] = false
          region.append(neighbour)
        }
        next += 1
      }
      regions.append(region)
    }
    return regions
  }

  private static func forEachNeighbour(of pixel: Int, in map: LabelMap, _ body: (Int) -> Void) {
    let x = pixel % map.width
    if x > 0 { body(pixel - 1) }
    if x + 1 < map.width { body(pixel + 1) }
    if pixel >= map.width { body(pixel - map.width) }
    if pixel + map.width < map.pixels.count { body(pixel + map.width) }
  }
}
