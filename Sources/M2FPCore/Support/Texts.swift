import Glibc

extension StringProtocol {
  /// Without white space at both ends.
  package var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}

extension String {
  /// Numbers as C's printf(3) writes them.
  ///
  /// - Parameters:
  ///   - format: One that makes less than 512 bytes.
  ///   - arguments: What it names.
  package init(printf format: String, _ arguments: any CVarArg...) {
    self = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 512) { text in
      let count = withVaList(arguments) { vsnprintf(text.baseAddress, text.count, format, $0) }
      precondition((0..<text.count).contains(Int(count)), "a number is shorter")
      return String(decoding: UnsafeRawBufferPointer(text)[..<Int(count)], as: UTF8.self)
    }
  }
}
