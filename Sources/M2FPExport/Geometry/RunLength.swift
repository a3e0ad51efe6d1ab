import M2FPCore

/// A mask as COCO stores it: lengths of runs in column order, in turn off and on, beginning with off.
struct RunLength {
  private(set) var counts: [Int] = []
  private(set) var area = 0
  /// The first pixel that is not yet told of.
  private var end = 0
  private var minX = Int.max
  private var maxX = -1
  private var minY = Int.max
  private var maxY = -1

  /// x, y, width, height.
  var box: [Int] { area == 0 ? [0, 0, 0, 0] : [minX, minY, maxX - minX + 1, maxY - minY + 1] }

  /// Adds the pixels `rows` of a column, which lies behind, or right of, all before.
  mutating func add(column x: Int, rows: Range<Int>, height: Int) {
    let start = x * height + rows.lowerBound
    if start == end && !counts.isEmpty {
      counts[counts.count - 1] += rows.count
    } else {
      counts.append(start - end)
      counts.append(rows.count)
    }
    end = start + rows.count
    area += rows.count
    minX = min(minX, x)
    maxX = max(maxX, x)
    minY = min(minY, rows.lowerBound)
    maxY = max(maxY, rows.upperBound - 1)
  }

  /// COCO's compressed form for a mask of `pixels` pixels: each count as the difference to the count
  /// before the last (from the fourth on), in groups of 5 bits, low ones first, bit 5 saying that
  /// another follows, as characters from '0' (`rleToString` of cocoapi's `maskApi.c`).
  func compressed(pixels: Int) -> String {
    var counts = counts
    if end < pixels { counts.append(pixels - end) }
    var text: [UInt8] = []
    for (index, count) in counts.enumerated() {
      var value = index > 2 ? count - counts[index - 2] : count
      var more = true
      while more {
        var group = UInt8(truncatingIfNeeded: value & 0x1F)
        value >>= 5
        // Done when all that is left is copies of the sign bit.
        more = group & 0x10 != 0 ? value != -1 : value != 0
        if more { group |= 0x20 }
        text.append(group + 48)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

extension LabelMap {
  /// The map with rows and columns exchanged.
  func transposed() -> LabelMap {
    let side = 32
    let result = [UInt8](unsafeUninitializedCapacity: pixels.count) { target, count in
      pixels.withUnsafeBufferPointer { source in
        // By blocks, so that reads and writes both stay in the cache.
        for top in stride(from: 0, to: height, by: side) {
          for left in stride(from: 0, to: width, by: side) {
            for y in top..<min(top + side, height) {
              for x in left..<min(left + side, width) {
                target[x * height + y] = source[y * width + x]
              }
            }
          }
        }
      }
      count = pixels.count
    }
    return LabelMap(width: height, height: width, pixels: result)
  }
}
