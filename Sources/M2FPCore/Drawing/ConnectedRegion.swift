/// A connected patch of one class, of one person where persons are told apart.
struct ConnectedRegion: Equatable {
  let classIndex: Int
  /// 0 for no person.
  let person: Int
  /// Pixels of the image, about.
  let area: Int
  /// A point well inside, in pixels of the image.
  let anchor: SIMD2<Float>

  /// Maps are looked at in cells, so that at most this many lie side by side: what is smaller than
  /// a cell is not worth a name.
  private static let gridSide = 512
  /// Of all pixels; smaller regions are left out.
  private static let leastShare = 0.0006
  /// Of the largest region of the same class and person; smaller ones are left out.
  private static let leastPart = 0.35

  /// The regions that are worth naming, largest first.
  ///
  /// - Parameters:
  ///   - labels: The class map.
  ///   - persons: A person id for each pixel; nil where persons are not told apart.
  /// - Returns: One region for each patch that is large enough.
  static func notable(_ labels: LabelMap, persons: LabelMap?) -> [ConnectedRegion] {
    let step = max(1, (max(labels.width, labels.height) + gridSide - 1) / gridSide)
    let (width, height) = (
      (labels.width + step - 1) / step, (labels.height + step - 1) / step
    )
    // Class and person in one number.
    var keys: [UInt16] = []
    keys.reserveCapacity(width * height)
    for y in 0..<height {
      let row = min(y * step + step / 2, labels.height - 1) * labels.width
      for x in 0..<width {
        let pixel = row + min(x * step + step / 2, labels.width - 1)
        let label = labels.pixels[pixel]
        keys.append(label == 0 ? 0 : UInt16(label) << 8 | UInt16(persons?.pixels[pixel] ?? 0))
      }
    }
    let depths = depths(keys, width, height)
    var seen = [Bool](repeating: false, count: keys.count)
    var regions: [ConnectedRegion] = []
    var largest: [UInt16: Int] = [:]
    let least = max(1, Int(leastShare * Double(labels.pixels.count)))
    for first in keys.indices where keys[first] != 0 && !seen[first] {
      let key = keys[first]
      var (cells, deepest) = (0, first)
      var open = [first]
      seen[first] = true
      while let cell = open.popLast() {
        cells += 1
        if depths[cell] > depths[deepest] { deepest = cell }
        let x = cell % width
        for next in [
          x > 0 ? cell - 1 : -1, x + 1 < width ? cell + 1 : -1, cell - width, cell + width,
        ] where keys.indices.contains(next) && keys[next] == key && !seen[next] {
          seen[next] = true
          open.append(next)
        }
      }
      let area = cells * step * step
      guard area >= least else { continue }
      largest[key] = max(largest[key] ?? 0, area)
      regions.append(
        ConnectedRegion(
          classIndex: Int(key >> 8), person: Int(key & 0xFF), area: area,
          anchor: SIMD2(
            min((Float(deepest % width) + 0.5) * Float(step), Float(labels.width) - 0.5),
            min((Float(deepest / width) + 0.5) * Float(step), Float(labels.height) - 0.5))))
    }
    return
      regions
      .filter {
        let key = UInt16($0.classIndex) << 8 | UInt16($0.person)
        return Double($0.area) >= leastPart * Double(largest[key] ?? 0)
      }
      .sorted { $0.area != $1.area ? $0.area > $1.area : $0.classIndex < $1.classIndex }
  }

  /// For each cell the steps, sideways or up and down, to the nearest cell of another key or the
  /// edge of the map.
  private static func depths(_ keys: [UInt16], _ width: Int, _ height: Int) -> [Int32] {
    var depths = [Int32](repeating: 1, count: keys.count)
    for cell in keys.indices where cell % width > 0 && cell >= width {
      if keys[cell - 1] == keys[cell], keys[cell - width] == keys[cell] {
        depths[cell] = min(depths[cell - 1], depths[cell - width]) + 1
      }
    }
    for cell in keys.indices.reversed() {
      let right = (cell + 1) % width != 0 && keys[cell + 1] == keys[cell] ? depths[cell + 1] : 0
      let below =
        cell + width < keys.count && keys[cell + width] == keys[cell] ? depths[cell + width] : 0
      depths[cell] = min(depths[cell], min(right, below) + 1)
    }
    return depths
  }
}
