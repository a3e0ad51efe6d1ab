@_silgen_name("LLVMFuzzerMutate")
private func mutateBytes(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int) -> Int

/// Changed bytes seldom make another number that is still one: every second time a number of a text is
/// replaced by one that arithmetic may stumble over.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutateNumbers(
  _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, _ capacity: Int, _ seed: UInt32
) -> Int {
  let text = UnsafeBufferPointer(start: bytes, count: count)
  let numbers = numbers(in: text)
  guard seed % 2 == 0, !numbers.isEmpty else { return mutateBytes(bytes, count, capacity) }
  let choice = Int(seed / 2)
  let number = numbers[choice % numbers.count]
  let new = stumblingBlocks[choice / numbers.count % stumblingBlocks.count].utf8
  let changed = Array(text[..<number.lowerBound]) + new + text[number.upperBound...]
  guard changed.count <= capacity else { return mutateBytes(bytes, count, capacity) }
  UnsafeMutableBufferPointer(start: bytes, count: capacity).update(fromContentsOf: changed)
  return changed.count
}

private let stumblingBlocks = [
  "0", "-1", "1", "2", "3", "255", "256", "65536", "2147483647", "4294967296",
  "9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e300", "-1e300",
  "1e-40", "0.5",
]

/// Where the numbers of a text are, those within names and digests left out.
private func numbers(in text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
  var found: [Range<Int>] = []
  var start: Int?
  for (index, byte) in text.enumerated() {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): start = start ?? index
    case UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"): continue
    default:
      if let first = start, first == 0 || isSeparator(text[first - 1]), isSeparator(byte) {
        found.append(first..<index)
      }
      start = nil
    }
  }
  return found
}

private func isSeparator(_ byte: UInt8) -> Bool { " \n\r\t,:[]{}-".utf8.contains(byte) }
