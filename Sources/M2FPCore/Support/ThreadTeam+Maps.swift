/// Maps of the image's size, made and looked through by all threads.
extension ThreadTeam {
  /// Bytes that a thread takes at a time.
  private static var shareSize: Int { 1 << 18 }

  /// A map that starts as zeros and that `fill` writes.
  func filledMap(
    _ width: Int, _ height: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void
  ) -> LabelMap {
    let labels = [UInt8](unsafeUninitializedCapacity: width * height) { buffer, initialized in
      guard let start = buffer.baseAddress else { return }
      forEachChunk(width * height, chunksOf: Self.shareSize) { _, shares in
        for share in shares {
          (start + share.lowerBound).initialize(repeating: 0, count: share.count)
        }
      }
      fill(start)
      initialized = width * height
    }
    return LabelMap(width: width, height: height, pixels: labels)
  }

  /// How many pixels have each class.
  func countLabels(_ map: LabelMap, classes: Int) -> [Int] {
    let counts = Locked([Int](repeating: 0, count: 256))
    map.pixels.withUnsafeBytes { labels in
      forEachChunk(labels.count, chunksOf: Self.shareSize) { _, shares in
        // Four counters for each label, so that neighbours that are alike do not wait for one
        // another.
        var counters = [Int](repeating: 0, count: 4 * 256)
        for share in shares { count(labels[share], &counters) }
        counts.withLock { counts in
          for (index, count) in counters.enumerated() { counts[index / 4] += count }
        }
      }
    }
    return counts.withLock { Array($0[..<classes]) }
  }
}

private func count(_ labels: Slice<UnsafeRawBufferPointer>, _ counters: inout [Int]) {
  let labels = UnsafeRawBufferPointer(rebasing: labels)
  counters.withUnsafeMutableBufferPointer { counters in
    // Neighbours are mostly alike: eight at a time where they are.
    let words = labels.count / 8
    for word in 0..<words {
      let value = labels.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
      if value == (value & 0xFF) &* 0x0101_0101_0101_0101 {
        counters[4 * Int(value & 0xFF)] += 8
      } else {
        for byte in 0..<8 {
          counters[4 * Int(truncatingIfNeeded: value >> (8 * byte) & 0xFF) + byte % 4] += 1
        }
      }
    }
    for byte in words * 8..<labels.count { counters[4 * Int(labels[byte])] += 1 }
  }
}
