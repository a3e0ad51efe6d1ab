extension ParsingResult {
  /// Puts a result together again from its summary and its class map.
  ///
  /// Nil where the summary contradicts itself or the map, as one that was forged may. What only the network knew (queries, class scores of single instances) is not restored: no output
  /// shows it.
  ///
  /// - Parameters:
  ///   - summary: With the masks of its persons.
  ///   - labels: The class map; its values are below `classes`.
  ///   - classes: How many classes there are.
  package init?(_ summary: ResultSummary, labels: LabelMap, classes: Int) {
    func box(_ list: [Int]) -> Instance.Box? {
      list.count == 4
        ? Instance.Box(x: list[0], y: list[1], width: list[2], height: list[3]) : nil
    }
    func instance(_ found: ResultSummary.Instance) -> Instance {
      Instance(
        query: 0, classIndex: found.index, classScore: found.score, score: found.score,
        pixelCount: found.pixels, box: found.box.flatMap(box))
    }
    guard (1...256).contains(classes) else { return nil }
    var counts = [Int](repeating: 0, count: 256)
    for label in labels.pixels { counts[Int(label)] += 1 }
    guard counts[classes...].allSatisfy({ $0 == 0 }) else { return nil }
    var scores = [Float?](repeating: nil, count: classes)
    for share in summary.classes {
      guard scores.indices.contains(share.index) else { return nil }
      scores[share.index] = share.score
    }
    guard summary.parts.allSatisfy({ scores.indices.contains($0.index) }) else { return nil }
    var persons: Persons?
    if let found = summary.persons {
      guard found.count <= Persons.most else { return nil }
      var list: [Person] = []
      var masks: [(compressed: String, value: UInt8)] = []
      for (index, person) in found.enumerated() {
        guard person.id == index + 1, let whole = box(person.box), let mask = person.rle else {
          return nil
        }
        var parts: [Person.Part] = []
        for part in person.parts {
          guard scores.indices.contains(part.index), let own = box(part.box) else { return nil }
          parts.append(
            Person.Part(
              classIndex: part.index, score: part.score, pixelCount: part.pixels, box: own))
        }
        list.append(
          Person(
            score: person.score, parsingScore: person.parsingScore, pixelCount: person.pixels,
            box: whole, parts: parts))
        masks.append((mask, UInt8(person.id)))
      }
      guard let map = LabelMap(width: labels.width, height: labels.height, masks: masks) else {
        return nil
      }
      persons = Persons(map: map, list: list)
    }
    self.init(
      labels: labels, parts: summary.parts.map(instance), humans: summary.humans.map(instance),
      persons: persons, classPixelCounts: Array(counts[..<classes]), classScores: scores,
      personLimit: summary.personLimit)
  }
}
