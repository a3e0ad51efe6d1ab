import SystemPackage

/// Text for people, on a terminal, in a log or in cron's mail.
///
/// What is interpolated, names of files above all, can neither steer the terminal nor pretend to be
/// another line: it is escaped unless it is said to be our own. So ``Console`` takes nothing else.
struct TerminalText: ExpressibleByStringInterpolation {
  let text: String

  init(stringLiteral text: String) {
    self.text = text
  }

  init(stringInterpolation interpolation: StringInterpolation) {
    text = interpolation.text
  }

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) {
      text.reserveCapacity(literalCapacity)
    }

    mutating func appendLiteral(_ literal: String) {
      text += literal
    }

    mutating func appendInterpolation(_ value: some Any) {
      text += TerminalText.escaped("\(value)".utf8)
    }

    mutating func appendInterpolation(_ path: FilePath) {
      text += path.withPlatformString {
        TerminalText.escaped(UnsafeRawBufferPointer(start: $0, count: path.length))
      }
    }

    mutating func appendInterpolation(_ other: TerminalText) {
      text += other.text
    }

    /// Text of this program itself: colours, line feeds.
    mutating func appendInterpolation(own text: String) {
      self.text += text
    }
  }

  /// Text, of a file's name for example, with everything escaped that does not stand for a mark on the
  /// screen: `\n`, `\r`, `\t`, `\x1B`, `\u{202E}`, and `\xFF` for a byte that is not UTF-8.
  static func escaped(_ bytes: some Collection<UInt8>) -> String {
    var result = String.UnicodeScalarView()
    func append(_ text: String) { result.append(contentsOf: text.unicodeScalars) }
    var parser = UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var start = bytes.startIndex
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let scalar = UTF8.decode(encoded)
        start = bytes.index(start, offsetBy: encoded.count)
        if steers(scalar) { append(escape(of: scalar)) } else { result.append(scalar) }
      case .error(let length):
        let end = bytes.index(start, offsetBy: length)
        for byte in bytes[start..<end] { append("\\x" + hexadecimal(UInt32(byte))) }
        start = end
      case .emptyInput:
        return String(result)
      }
    }
  }

  /// Whether a scalar moves the cursor, sets colours, ends the line or turns the direction of writing.
  static func steers(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // C0, DEL and C1; the marks, embeddings, overrides and isolates of bidirectional text; the
    // separators of lines and paragraphs.
    case 0...0x1F, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private static func escape(of scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    case _ where scalar.isASCII: "\\x" + hexadecimal(scalar.value)
    default: "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
    }
  }

  private static func hexadecimal(_ byte: UInt32) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
  }
}
