import FoundationEssentials

/// Turns a model's classes into those of another label set.
public struct ClassRemap: Sendable, Equatable {
  /// The new classes, the background first.
  public let classes: [String]
  /// One colour for each of them.
  public let palette: [RGB]
  /// For each class of the model the new class's index.
  public let table: [UInt8]

  package init(classes: [String], palette: [RGB], table: [UInt8]) {
    self.classes = classes
    self.palette = palette
    self.table = table
  }

  /// Reads a remap file for a model.
  ///
  /// A class of the model that the file's `map` does not list becomes the new class of its own name;
  /// lines for classes that the model does not have are passed over. Of several maps the first counts
  /// that knows all classes of the model, so that one file serves models whose classes bear one name
  /// and mean different things.
  ///
  /// - Parameters:
  ///   - json: `{"classes": […], "palette": [[r, g, b], …], "map": {"Coat": "Upper-clothes", …}}`, or
  ///     a list of such maps; without a palette the colours are VOC's.
  ///   - modelClasses: The model's classes, the background first.
  /// - Throws: ``ClassRemapError`` with what is wrong.
  public init(json: Data, modelClasses: [String]) throws(ClassRemapError) {
    let file = try ClassSet.File(json: json)
    let set = try ClassSet(file)
    guard let maps = file.map?.all, !maps.isEmpty else {
      throw ClassRemapError("it has no \"map\"")
    }
    var problem: ClassRemapError?
    for map in maps {
      do throws(ClassRemapError) {
        self.init(
          classes: set.names, palette: set.palette,
          table: try Self.table(map, from: modelClasses, to: set.names))
        return
      } catch {
        problem = problem ?? error
      }
    }
    throw problem ?? ClassRemapError("it has no \"map\"")
  }

  private static func table(
    _ map: [String: String], from modelClasses: [String], to classes: [String]
  ) throws(ClassRemapError) -> [UInt8] {
    var targets: [Int: String] = [:]
    for (source, target) in map {
      if let index = ClassNames.index(of: source, in: modelClasses) { targets[index] = target }
    }
    var table: [UInt8] = []
    for (index, name) in modelClasses.enumerated() {
      let target = targets[index] ?? (index == 0 ? classes[0] : name)
      guard let new = ClassNames.index(of: target, in: classes) else {
        throw ClassRemapError(
          targets[index] == nil
            ? "its \"map\" does not say what becomes of '\(name)'"
            : "'\(name)' becomes '\(target)', which is not among its classes")
      }
      table.append(UInt8(new))
    }
    return table
  }
}

/// Why a remap file cannot be used.
public struct ClassRemapError: Error, Equatable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

extension IndexMap {
  /// The same map in other classes; what is none of the old ones, such as 255 for what does not count,
  /// stays as it is.
  package func remapped(by remap: ClassRemap) -> IndexMap {
    IndexMap(
      width: width, height: height,
      pixels: pixels.map { Int($0) < remap.table.count ? UInt16(remap.table[Int($0)]) : $0 })
  }
}

extension ParsingResult {
  /// The same result in other classes. Parts that become background are left out.
  public func remapped(by remap: ClassRemap) -> ParsingResult {
    let count = remap.classes.count
    var lookup = [UInt8](repeating: 0, count: 256)
    lookup.replaceSubrange(0..<remap.table.count, with: remap.table)
    let labels = LabelMap(
      width: labels.width, height: labels.height, pixels: labels.pixels.map { lookup[Int($0)] })
    var counts = [Int](repeating: 0, count: count)
    var scores = [Float?](repeating: nil, count: count)
    for (index, new) in remap.table.enumerated() {
      counts[Int(new)] += classPixelCounts[index]
      scores[Int(new)] = best(scores[Int(new)], classScores[index])
    }
    return ParsingResult(
      labels: labels,
      parts: parts.compactMap { part in
        let new = remap.table[part.classIndex]
        return new == 0 ? nil : part.withClass(Int(new))
      },
      humans: humans.map { $0.withClass(count) },
      persons: persons.map { persons in
        Persons(map: persons.map, list: persons.list.map { $0.remapped(by: remap.table) })
      },
      classPixelCounts: counts, classScores: scores, personLimit: personLimit)
  }
}

extension Instance {
  func withClass(_ index: Int) -> Instance {
    Instance(
      query: query, classIndex: index, classScore: classScore, score: score,
      pixelCount: pixelCount, box: box)
  }
}

extension Person {
  fileprivate func remapped(by table: [UInt8]) -> Person {
    var merged: [Int: Part] = [:]
    for part in parts where table[part.classIndex] != 0 {
      let new = Int(table[part.classIndex])
      let other = merged[new]
      merged[new] = Part(
        classIndex: new, score: best(part.score, other?.score),
        pixelCount: part.pixelCount + (other?.pixelCount ?? 0),
        box: other.map { $0.box.union(part.box) } ?? part.box)
    }
    return Person(
      score: score, parsingScore: parsingScore, pixelCount: pixelCount, box: box,
      parts: merged.values.sorted { $0.classIndex < $1.classIndex })
  }
}

extension Instance.Box {
  /// The smallest box that holds both.
  func union(_ other: Instance.Box) -> Instance.Box {
    let (left, top) = (min(x, other.x), min(y, other.y))
    return Instance.Box(
      x: left, y: top, width: max(x + width, other.x + other.width) - left,
      height: max(y + height, other.y + other.height) - top)
  }
}

private func best(_ one: Float?, _ other: Float?) -> Float? {
  guard let one, let other else { return one ?? other }
  return max(one, other)
}
