/// Source file taken apart into its string literals, its comments and what is left, the code.
///
/// Swift's literals (with interpolation, of several lines, raw) and C's; both languages' comments.
struct SourceText {
  private(set) var literals: [String] = []
  private(set) var comments: [String] = []
  var code: String { String(decoding: codeBytes, as: UTF8.self) }

  private var codeBytes: [UInt8] = []
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
    codeBytes.reserveCapacity(bytes.count)
    readCode(until: nil)
  }

  private func byte(_ offset: Int = 0) -> UInt8? {
    position + offset < bytes.count ? bytes[position + offset] : nil
  }

  private func starts(with text: [UInt8]) -> Bool {
    position + text.count <= bytes.count
      && text.indices.allSatisfy { bytes[position + $0] == text[$0] }
  }

  private func text(from start: Int) -> String {
    String(decoding: bytes[start..<position], as: UTF8.self)
  }

  /// Reads up to the end, or past the parenthesis that closes an interpolation.
  private mutating func readCode(until end: Character?) {
    var depth = 0
    while let byte = byte() {
      switch Character(Unicode.Scalar(byte)) {
      case "/" where self.byte(1) == UInt8(ascii: "/"):
        let start = position
        while let byte = self.byte(), byte != UInt8(ascii: "\n") { position += 1 }
        comments.append(text(from: start))
        continue
      case "/" where self.byte(1) == UInt8(ascii: "*"):
        let start = position
        while self.byte() != nil, !starts(with: Array("*/".utf8)) { position += 1 }
        comments.append(text(from: start))
        position += 2
        continue
      case "\"":
        readLiteral(hashes: 0)
        continue
      case "#":
        var hashes = 1
        while self.byte(hashes) == UInt8(ascii: "#") { hashes += 1 }
        if self.byte(hashes) == UInt8(ascii: "\"") {
          position += hashes
          readLiteral(hashes: hashes)
          continue
        }
      // C's 'x' or '\x', which may be a quotation mark.
      case "'" where self.byte(1) != UInt8(ascii: "\\") && self.byte(2) == UInt8(ascii: "'"):
        position += 3
        continue
      case "'" where self.byte(1) == UInt8(ascii: "\\") && self.byte(3) == UInt8(ascii: "'"):
        position += 4
        continue
      case "(" where end != nil:
        depth += 1
      case ")" where end == ")":
        if depth == 0 {
          position += 1
          return
        }
        depth -= 1
      default: break
      }
      codeBytes.append(byte)
      position += 1
    }
  }

  private mutating func readLiteral(hashes: Int) {
    let marks = [UInt8](repeating: UInt8(ascii: "#"), count: hashes)
    let isLong = starts(with: Array("\"\"\"".utf8))
    let quote = [UInt8](repeating: UInt8(ascii: "\""), count: isLong ? 3 : 1)
    let (close, escape) = (quote + marks, [UInt8(ascii: "\\")] + marks)
    var literal: [UInt8] = []
    position += quote.count
    while let byte = byte(), !starts(with: close) {
      guard starts(with: escape) else {
        literal.append(byte)
        position += 1
        continue
      }
      position += escape.count
      switch self.byte().map({ Character(Unicode.Scalar($0)) }) {
      case "(":
        position += 1
        literal += "…".utf8
        // What is interpolated is code, in which there may be literals.
        readCode(until: ")")
      case "\n":
        // The line goes on in the next, whose indentation does not count.
        while [UInt8(ascii: "\n"), UInt8(ascii: " ")].contains(self.byte()) { position += 1 }
      default:
        if let escaped = self.byte() { literal.append(escaped) }
        position += 1
      }
    }
    position += close.count
    literals.append(String(decoding: literal, as: UTF8.self))
  }
}
