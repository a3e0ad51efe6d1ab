/// Numbers out of files that anybody may have written: what they are used for must not overflow.
extension KeyedDecodingContainer {
  /// A whole number.
  ///
  /// - Parameters:
  ///   - range: What it may be.
  ///   - key: Where it stands.
  /// - Returns: The number.
  /// - Throws: `DecodingError` where it is another.
  package func decode(_ range: ClosedRange<Int>, forKey key: Key) throws -> Int {
    let value = try decode(Int.self, forKey: key)
    guard range.contains(value) else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self,
        debugDescription: "\(value) is not \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}

extension ResultSummary {
  /// Whether the numbers may be those of an image of this size: of classes that fit into a byte, of
  /// no more pixels than there are, and of boxes within it.
  ///
  /// - Parameters:
  ///   - width: Pixels.
  ///   - height: Pixels; `width × height` is an `Int`.
  /// - Returns: Whether they may.
  package func isPossible(width: Int, height: Int) -> Bool {
    let pixels = 0...(width * height)
    func lies(_ box: [Int]) -> Bool {
      box.count == 4 && (0...width).contains(box[2]) && (0...height).contains(box[3])
        && (0...(width - box[2])).contains(box[0]) && (0...(height - box[3])).contains(box[1])
    }
    func isClass(_ index: Int) -> Bool { (0...255).contains(index) }
    // As many as a contract may have.
    return (1...10_000).contains(personLimit ?? 1)
      && classes.allSatisfy { isClass($0.index) && pixels.contains($0.pixels) }
      && (parts + humans).allSatisfy {
        // A human's class is beyond those of the labels.
        (0...256).contains($0.index) && pixels.contains($0.pixels) && $0.box.map(lies) ?? true
      }
      && (persons ?? []).allSatisfy { person in
        (1...255).contains(person.id) && pixels.contains(person.pixels) && lies(person.box)
          && person.parts.allSatisfy {
            isClass($0.index) && pixels.contains($0.pixels) && lies($0.box)
          }
      }
  }
}
