/// Numbers taken from a fuzzer's bytes; when these are used up, numbers that follow from them.
struct FuzzInput {
  private var bytes: UnsafeBufferPointer<UInt8>.SubSequence
  private var state: UInt32 = 0

  init(_ bytes: UnsafePointer<UInt8>, _ count: Int) {
    self.bytes = UnsafeBufferPointer(start: bytes, count: count)[...]
  }

  /// A number in a range.
  mutating func take(_ range: ClosedRange<Int>) -> Int {
    let value =
      bytes.isEmpty ? Int(state >> 16) : bytes.prefix(2).reduce(0) { $0 << 8 | Int($1) }
    bytes = bytes.dropFirst(2)
    mix(value)
    return range.lowerBound + value % range.count
  }

  /// Samples of a picture or a map: a byte is an edge, or what lies beside is repeated.
  mutating func fill(_ count: Int, below bound: Int) -> [UInt8] {
    var value = 0
    return (0..<count).map { index in
      if index % 3 == 0, let byte = bytes.popFirst() {
        mix(Int(byte))
        if byte & 3 == 0 { value = Int(byte >> 2) }
      }
      return UInt8(value % bound)
    }
  }

  private mutating func mix(_ value: Int) {
    state = (state ^ UInt32(value)) &* 1_664_525 &+ 1_013_904_223
  }
}
