import M2FPCore

/// What a network returns, for 100 queries.
struct Logits {
  let classes: Int
  var classLogits: [Float]
  var maskLogits: [Float]
}

/// A made-up photo of people side by side, each a tall ellipse that is cut into parts.
struct Scene {
  let geometry: NetworkGeometry
  let maskWidth: Int
  let maskHeight: Int
  let image: RGBImage
  var size: (width: Int, height: Int) { (image.width, image.height) }

  init(imageWidth: Int, imageHeight: Int, inputWidth: Int, inputHeight: Int) {
    let scale = min(
      Double(inputWidth) / Double(imageWidth), Double(inputHeight) / Double(imageHeight))
    geometry = NetworkGeometry(
      imageWidth: imageWidth, imageHeight: imageHeight,
      contentWidth: min(inputWidth, Int(Double(imageWidth) * scale + 0.5)),
      contentHeight: min(inputHeight, Int(Double(imageHeight) * scale + 0.5)), offsetX: 0,
      offsetY: 0, inputWidth: inputWidth, inputHeight: inputHeight)
    maskWidth = inputWidth / 4
    maskHeight = inputHeight / 4
    var generator = Generator()
    var pixels: [UInt8] = []
    pixels.reserveCapacity(imageWidth * imageHeight * 3)
    for y in 0..<imageHeight {
      for x in 0..<imageWidth {
        let noise = generator.next(16)
        pixels.append(UInt8(truncatingIfNeeded: x / 16 + noise))
        pixels.append(UInt8(truncatingIfNeeded: y / 16 + noise))
        pixels.append(UInt8(truncatingIfNeeded: (x + y) / 32 + noise))
      }
    }
    image = RGBImage(width: imageWidth, height: imageHeight, pixels: pixels)
  }

  /// For each person a Human and `partsEach` parts, sure of themselves; the other queries are "no
  /// object" with a mask like the others'.
  func parsing(people: Int, partsEach: Int) -> Logits {
    logits(classes: 22, people: people, partsEach: partsEach) { query, person, part in
      guard person < people else { return 21 }
      return part == partsEach ? 20 : 1 + (2 * part + person) % 19
    }
  }

  /// One person of nine parts; the other queries are "no object".
  func semantic() -> Logits {
    logits(classes: 21, people: 1, partsEach: 9) { query, person, part in
      guard person == 0 else { return 20 }
      return part == 9 ? 0 : 1 + 2 * part
    }
  }

  /// What weights without training, whose heads were fitted as Models/commands/parity.py fits them, return:
  /// each mask is a mixture of eight mottled planes, 80 of them are instances, and together they cover
  /// the photo some 25 times, nearly everywhere with several classes.
  func fitted() -> Logits {
    var generator = Generator()
    let planes = (0..<8).map { _ in mottled(&generator) }
    var result = Logits(classes: 22, classLogits: [], maskLogits: [])
    for query in 0..<100 {
      let favourite = min(query % 25, 21)
      let height = generator.uniform(2, 8)
      for index in 0..<22 { result.classLogits.append(index == favourite ? height : 0) }
      let weights = planes.map { _ in generator.uniform(-1, 1) }
      let length = weights.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let offset = generator.uniform(-5, 1)
      for cell in 0..<maskWidth * maskHeight {
        let sum = zip(planes, weights).reduce(0) { $0 + $1.0[cell] * $1.1 }
        result.maskLogits.append(offset + 4 * sum / length)
      }
    }
    return result
  }

  /// A plane of mean 0 and variance about 1: values on two lattices, interpolated.
  private func mottled(_ generator: inout Generator) -> [Float] {
    var plane = [Float](repeating: 0, count: maskWidth * maskHeight)
    for (step, amplitude) in [(32, Float(2.4)), (8, 1.0)] {
      let columns = maskWidth / step + 2
      let lattice = (0..<columns * (maskHeight / step + 2)).map { _ in
        generator.uniform(-amplitude, amplitude)
      }
      for y in 0..<maskHeight {
        for x in 0..<maskWidth {
          let corner = y / step * columns + x / step
          let u = Float(x % step) / Float(step)
          let v = Float(y % step) / Float(step)
          let top = lattice[corner] * (1 - u) + lattice[corner + 1] * u
          let bottom = lattice[corner + columns] * (1 - u) + lattice[corner + columns + 1] * u
          plane[y * maskWidth + x] += top * (1 - v) + bottom * v
        }
      }
    }
    return plane
  }

  private func logits(
    classes: Int, people: Int, partsEach: Int, _ sureOf: (_ query: Int, Int, Int) -> Int
  ) -> Logits {
    var generator = Generator()
    var result = Logits(classes: classes, classLogits: [], maskLogits: [])
    for query in 0..<100 {
      let (person, part) = query.quotientAndRemainder(dividingBy: partsEach + 1)
      let sure = sureOf(query, person, part)
      for index in 0..<classes {
        result.classLogits.append((index == sure ? 7 : 0) + Float(generator.next(100)) / 100)
      }
      // Neighbours overlap a little.
      let centre = (Float(person % people) + 0.5) / Float(people)
      let (top, bottom): (Float, Float) =
        part == partsEach
        ? (0.05, 0.95)
        : (
          0.05 + 0.9 * Float(part) / Float(partsEach),
          0.05 + 0.9 * Float(part + 1) / Float(partsEach)
        )
      for y in 0..<maskHeight {
        for x in 0..<maskWidth {
          let v = Float(y) / Float(maskHeight)
          let dx = (Float(x) / Float(maskWidth) - centre) * Float(people) / 0.55
          let dy = (v - 0.5) / 0.48
          let inside = min(1 - (dx * dx + dy * dy), 8 * (v - top), 8 * (bottom - v))
          result.maskLogits.append(max(-15, 20 * inside) + Float(generator.next(100)) / 100)
        }
      }
    }
    return result
  }
}

/// A linear congruential generator with Knuth's constants: the same scene every time.
private struct Generator {
  private var state: UInt64 = 1

  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  mutating func uniform(_ low: Float, _ high: Float) -> Float {
    low + (high - low) * Float(next(1 << 24)) / Float(1 << 24)
  }
}
