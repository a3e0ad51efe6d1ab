/// TOML 1.0 (https://toml.io/en/v1.0.0), but for dates and times, which no option takes.
///
/// A file may be a stranger's: whatever its bytes, there is a table or a line to look at.
enum TOML {
  indirect enum Value {
    case text(String)
    case integer(Int)
    case number(Double)
    case truth(Bool)
    case array([Value])
    case table(Table)
    /// Of `[[name]]`.
    case tables([Table])
  }

  struct SyntaxError: Error, Equatable {
    /// Counts from 1.
    let line: Int
    /// Without a full stop at its end.
    let message: String
  }

  /// Keys are compared by their bytes, as TOML wants it, and kept in the order of the file.
  final class Table {
    struct Entry {
      let key: String
      fileprivate(set) var value: Value
      let line: Int
    }

    /// What made a table decides what may still be added to it.
    fileprivate enum Origin {
      /// It is on the way to a table with a header.
      case path
      case header, dottedKey, inline
    }

    private(set) var entries: [Entry] = []
    fileprivate var origin: Origin
    private var places: [[UInt8]: Int] = [:]

    fileprivate init(_ origin: Origin) { self.origin = origin }

    subscript(key: String) -> Value? { places[Array(key.utf8)].map { entries[$0].value } }

    fileprivate func set(_ key: String, _ value: Value, line: Int) {
      if let place = places[Array(key.utf8)] {
        entries[place].value = value
      } else {
        places[Array(key.utf8)] = entries.count
        entries.append(Entry(key: key, value: value, line: line))
      }
    }
  }

  /// Reads a whole file.
  static func table(_ text: some Collection<UInt8>) throws(SyntaxError) -> Table {
    var parser = TOMLParser(text)
    return try parser.document()
  }
}

/// As JSON; an infinite number has none.
extension TOML.Table: Encodable {
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    for entry in entries { try container.encode(entry.value, forKey: Key(stringValue: entry.key)) }
  }
}

extension TOML.Value: Encodable {
  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .text(let text): try container.encode(text)
    case .integer(let number): try container.encode(number)
    case .number(let number): try container.encode(number)
    case .truth(let truth): try container.encode(truth)
    case .array(let values): try container.encode(values)
    case .table(let table): try container.encode(table)
    case .tables(let tables): try container.encode(tables)
    }
  }
}

private struct TOMLParser {
  private let bytes: [UInt8]
  private var position: Int
  private var line = 1
  private let root = TOML.Table(.header)

  /// How deep values may lie in one another.
  private static let deepest = 64

  init(_ text: some Collection<UInt8>) {
    bytes = Array(text)
    // A byte order mark, as editors of Windows write it.
    position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func failure(_ message: String) -> TOML.SyntaxError {
    TOML.SyntaxError(line: line, message: message)
  }

  private func starts(with text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

  private mutating func take(_ text: String) -> Bool {
    guard starts(with: text) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func takeLineEnd() -> Bool {
    guard take("\n") || take("\r\n") else { return false }
    line += 1
    return true
  }

  // MARK: - Lines

  mutating func document() throws(TOML.SyntaxError) -> TOML.Table {
    var current = root
    while true {
      try skipLines()
      if byte == nil { return root }
      if starts(with: "[") { current = try header() } else { try pair(in: current) }
      try skipComment()
      guard byte == nil || takeLineEnd() else {
        throw failure("something follows that belongs on a line of its own")
      }
    }
  }

  private mutating func skipSpaces() {
    while byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") { position += 1 }
  }

  private mutating func skipComment() throws(TOML.SyntaxError) {
    skipSpaces()
    guard take("#") else { return }
    let start = position
    while let byte, byte != UInt8(ascii: "\n"), !starts(with: "\r\n") {
      try check(byte)
      position += 1
    }
    _ = try string(bytes[start..<position])
  }

  private mutating func skipLines() throws(TOML.SyntaxError) {
    repeat { try skipComment() } while takeLineEnd()
  }

  /// `[a.b]` or `[[a.b]]`.
  private mutating func header() throws(TOML.SyntaxError) -> TOML.Table {
    let isArray = starts(with: "[[")
    position += isArray ? 2 : 1
    var path = try key()
    guard take(isArray ? "]]" : "]") else { throw failure("the table's name has no end") }
    let name = path.removeLast()
    var parent = root
    for part in path { parent = try child(part, of: parent, from: .path) }
    let table = TOML.Table(.header)
    switch (parent[name], isArray) {
    case (nil, _): parent.set(name, isArray ? .tables([table]) : .table(table), line: line)
    case (.tables(let tables), true): parent.set(name, .tables(tables + [table]), line: line)
    case (.table(let there), false) where there.origin == .path:
      there.origin = .header
      return there
    default: throw failure("[\(name)] is there already")
    }
    return table
  }

  /// `a.b = value`.
  private mutating func pair(
    in table: TOML.Table, depth: Int = 0
  ) throws(TOML.SyntaxError) {
    var path = try key()
    guard take("=") else { throw failure("'=' and a value are missing") }
    skipSpaces()
    let (name, line) = (path.removeLast(), line)
    var parent = table
    for part in path { parent = try child(part, of: parent, from: .dottedKey) }
    guard parent[name] == nil else { throw failure("'\(name)' is there already") }
    parent.set(name, try value(depth), line: line)
  }

  /// The table of this name in another, made if need be.
  private func child(
    _ name: String, of parent: TOML.Table, from origin: TOML.Table.Origin
  ) throws(TOML.SyntaxError) -> TOML.Table {
    switch parent[name] {
    case nil:
      let table = TOML.Table(origin)
      parent.set(name, .table(table), line: line)
      return table
    case .table(let table) where origin == .path && table.origin != .inline:
      return table
    case .table(let table) where table.origin == .path || table.origin == .dottedKey:
      table.origin = .dottedKey
      return table
    case .tables(let tables) where origin == .path:
      return tables[tables.count - 1]
    default:
      throw failure("nothing can be added to '\(name)' here")
    }
  }

  /// `a."b".'c'`, spaces around it taken, too.
  private mutating func key() throws(TOML.SyntaxError) -> [String] {
    var parts: [String] = []
    repeat {
      skipSpaces()
      if starts(with: "\"") || starts(with: "'") {
        if starts(with: "\"\"\"") || starts(with: "'''") {
          throw failure("a key is text of one line")
        }
        parts.append(try text())
      } else {
        let start = position
        while let byte, Self.isBare(byte) { position += 1 }
        if position == start { throw failure("a key is missing") }
        parts.append(String(decoding: bytes[start..<position], as: UTF8.self))
      }
      skipSpaces()
    } while take(".")
    return parts
  }

  private static func isBare(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  // MARK: - Values

  private mutating func value(_ depth: Int) throws(TOML.SyntaxError) -> TOML.Value {
    if depth > Self.deepest { throw failure("values lie too deep in one another") }
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): return .text(try text())
    case UInt8(ascii: "["): return .array(try array(depth))
    case UInt8(ascii: "{"): return .table(try inlineTable(depth))
    default: return try word()
    }
  }

  private mutating func array(_ depth: Int) throws(TOML.SyntaxError) -> [TOML.Value] {
    position += 1
    var values: [TOML.Value] = []
    while true {
      try skipLines()
      if take("]") { return values }
      values.append(try value(depth + 1))
      try skipLines()
      if take("]") { return values }
      guard take(",") else { throw failure("a list has no end, or lacks a comma") }
    }
  }

  private mutating func inlineTable(_ depth: Int) throws(TOML.SyntaxError) -> TOML.Table {
    position += 1
    let table = TOML.Table(.dottedKey)
    skipSpaces()
    if !take("}") {
      repeat {
        try pair(in: table, depth: depth + 1)
        skipSpaces()
      } while take(",")
      guard take("}") else { throw failure("a table in braces has no end on its line") }
    }
    table.origin = .inline
    return table
  }

  /// `true`, `false` or a number.
  private mutating func word() throws(TOML.SyntaxError) -> TOML.Value {
    let start = position
    while let byte,
      Self.isBare(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
        || byte == UInt8(ascii: ":")
    {
      position += 1
    }
    let word = String(decoding: bytes[start..<position], as: UTF8.self)
    switch word {
    case "": throw failure("a value is missing")
    case "true": return .truth(true)
    case "false": return .truth(false)
    case "inf", "+inf": return .number(.infinity)
    case "-inf": return .number(-.infinity)
    case "nan", "+nan", "-nan": return .number(.nan)
    default: break
    }
    let digits = word.replacing("_", with: "")
    if word.wholeMatch(of: /[+-]?(?:0|[1-9](?:_?[0-9])*)/) != nil {
      if let integer = Int(digits) { return .integer(integer) }
      throw failure("\(word) does not fit into 64 bits")
    }
    for (mark, radix, pattern) in [
      ("0x", 16, /0x[0-9A-Fa-f](?:_?[0-9A-Fa-f])*/), ("0o", 8, /0o[0-7](?:_?[0-7])*/),
      ("0b", 2, /0b[01](?:_?[01])*/),
    ] where word.wholeMatch(of: pattern) != nil {
      if let integer = Int(digits.dropFirst(mark.utf8.count), radix: radix) {
        return .integer(integer)
      }
      throw failure("\(word) does not fit into 64 bits")
    }
    let fraction =
      /[+-]?(?:0|[1-9](?:_?[0-9])*)(?:\.[0-9](?:_?[0-9])*)?(?:[eE][+-]?[0-9](?:_?[0-9])*)?/
    if word.wholeMatch(of: fraction) != nil, let number = Double(digits) { return .number(number) }
    if word.prefixMatch(of: /[0-9]{4}-[0-9]{2}-|[0-9]{2}:/) != nil {
      throw failure("no option takes a date or a time")
    }
    throw failure("'\(word)' is neither true, false, a number nor text in quotation marks")
  }

  // MARK: - Text

  private mutating func text() throws(TOML.SyntaxError) -> String {
    let isLiteral = starts(with: "'")
    let quote = isLiteral ? "'" : "\""
    let isLong = take(quote + quote + quote)
    if isLong { _ = takeLineEnd() } else { position += 1 }
    var text: [UInt8] = []
    while let byte {
      if isLong, take(quote + quote + quote) {
        // Up to two that belong to the text may stand before those at its end.
        for _ in 0..<2 where take(quote) { text += quote.utf8 }
        return try string(text[...])
      }
      if !isLong, take(quote) { return try string(text[...]) }
      if !isLiteral, take("\\") {
        try escape(isLong: isLong, into: &text)
      } else if takeLineEnd() {
        guard isLong else {
          line -= 1
          break
        }
        text.append(UInt8(ascii: "\n"))
      } else {
        try check(byte)
        text.append(byte)
        position += 1
      }
    }
    throw failure("text has no end")
  }

  private mutating func escape(isLong: Bool, into text: inout [UInt8]) throws(TOML.SyntaxError) {
    if isLong {
      let start = position
      skipSpaces()
      if takeLineEnd() {
        repeat { skipSpaces() } while takeLineEnd()
        return
      }
      position = start
    }
    guard let byte else { throw failure("text has no end") }
    position += 1
    switch byte {
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(byte)
    case UInt8(ascii: "u"): text += try scalar(digits: 4)
    case UInt8(ascii: "U"): text += try scalar(digits: 8)
    default: throw failure("a backslash stands before what it does not go with")
    }
  }

  private mutating func scalar(digits: Int) throws(TOML.SyntaxError) -> [UInt8] {
    let end = min(position + digits, bytes.count)
    let text = String(decoding: bytes[position..<end], as: UTF8.self)
    guard text.wholeMatch(of: /[0-9A-Fa-f]+/) != nil, text.utf8.count == digits,
      let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value)
    else { throw failure("\\u and \\U take 4 and 8 digits of a character") }
    position = end
    return Array(String(scalar).utf8)
  }

  /// Refuses control characters, which no text or comment may hold.
  private func check(_ byte: UInt8) throws(TOML.SyntaxError) {
    if byte < 0x20 && byte != UInt8(ascii: "\t") || byte == 0x7F {
      throw failure("a control character (\(byte)) is in the text")
    }
  }

  private func string(_ bytes: ArraySlice<UInt8>) throws(TOML.SyntaxError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw failure("the text is not UTF-8")
    }
    return text
  }
}
