/// A mask as COCO stores it: lengths of runs in column order, in turn off and on, beginning with off.
package struct RunLength: Sendable, Equatable {
  package private(set) var counts: [Int] = []
  package private(set) var area = 0
  /// The first pixel that is not yet told of.
  private var end = 0
  private var minX = Int.max
  private var maxX = -1
  private var minY = Int.max
  private var maxY = -1

  package init() {}

  /// x, y, width, height.
  package var box: [Int] {
    area == 0 ? [0, 0, 0, 0] : [minX, minY, maxX - minX + 1, maxY - minY + 1]
  }

  /// Adds the pixels `rows` of a column, which lies behind, or right of, all before.
  package mutating func add(column x: Int, rows: Range<Int>, height: Int) {
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
  package func compressed(pixels: Int) -> String {
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

  /// Reads the lengths of runs out of COCO's compressed form.
  ///
  /// - Parameters:
  ///   - compressed: What ``compressed(pixels:)`` gave, or anything else.
  ///   - pixels: How many pixels the mask has.
  /// - Returns: The counts, which add up to `pixels`; nil where it is no such mask.
  package static func counts(compressed: String, pixels: Int) -> [Int]? {
    var counts: [Int] = []
    var total = 0
    var (value, shift) = (0, 0)
    for byte in compressed.utf8 {
      // Twelve groups hold any count of pixels.
      guard (48..<112).contains(byte), shift < 60 else { return nil }
      let group = Int(byte) - 48
      value |= (group & 0x1F) << shift
      shift += 5
      if group & 0x20 != 0 { continue }
      if group & 0x10 != 0 { value |= -1 << shift }
      if counts.count > 2 { value += counts[counts.count - 2] }
      guard value >= 0, value <= pixels - total else { return nil }
      counts.append(value)
      total += value
      (value, shift) = (0, 0)
    }
    return shift == 0 && total == pixels ? counts : nil
  }

  /// The masks of all values of a map.
  ///
  /// - Parameters:
  ///   - map: Values from 0 to `count`.
  ///   - count: How many masks.
  /// - Returns: The mask of value `k` at index `k - 1`.
  package static func masks(of map: LabelMap, count: Int) -> [RunLength] {
    var masks = [RunLength](repeating: RunLength(), count: count)
    if count == 0 { return masks }
    let (width, height) = (map.width, map.height)
    // A few columns at a time: the whole map turned over would take its memory again.
    let side = 32
    var block = [UInt8](repeating: 0, count: side * height)
    map.pixels.withUnsafeBufferPointer { source in
      block.withUnsafeMutableBufferPointer { block in
        for left in stride(from: 0, to: width, by: side) {
          let columns = min(side, width - left)
          for y in 0..<height {
            let row = y * width + left
            for x in 0..<columns { block[x * height + y] = source[row + x] }
          }
          for x in 0..<columns {
            let column = UnsafeBufferPointer(
              rebasing: UnsafeBufferPointer(block)[x * height..<(x + 1) * height])
            forEachRun(column) { rows, id in
              guard id != 0 else { return }
              masks[Int(id) - 1].add(column: left + x, rows: rows, height: height)
            }
          }
        }
      }
    }
    return masks
  }

  /// Calls `body` for each stretch of equal bytes.
  private static func forEachRun(
    _ bytes: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>, UInt8) -> Void
  ) {
    guard let bytes0 = bytes.baseAddress else { return }
    var start = 0
    while start < bytes.count {
      let value = bytes0[start]
      var end = start + 1
      // Neighbours are mostly alike: 16 at a time where they are.
      while end + 16 <= bytes.count, areEqual(loadBytes(bytes0 + end), SIMD16(repeating: value)) {
        end += 16
      }
      while end < bytes.count, bytes0[end] == value { end += 1 }
      body(start..<end, value)
      start = end
    }
  }
}

extension LabelMap {
  /// Puts a map together from masks; nil where one is no mask of that size.
  ///
  /// - Parameters:
  ///   - width: Pixels.
  ///   - height: Pixels.
  ///   - masks: Masks in COCO's compressed form, each with the value of its pixels; where two
  ///     overlap the later one counts. Elsewhere the map is 0.
  package init?(width: Int, height: Int, masks: [(compressed: String, value: UInt8)]) {
    var columns = [UInt8](repeating: 0, count: width * height)
    for mask in masks {
      guard let counts = RunLength.counts(compressed: mask.compressed, pixels: columns.count)
      else { return nil }
      var position = 0
      for (index, count) in counts.enumerated() {
        if index % 2 == 1 {
          columns.withUnsafeMutableBufferPointer {
            $0[position..<position + count].update(repeating: mask.value)
          }
        }
        position += count
      }
    }
    self = LabelMap(width: height, height: width, pixels: columns).transposed()
  }

  /// The map with rows and columns exchanged.
  package func transposed() -> LabelMap {
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
