/// One colour a class.
public struct Palette: Sendable, Equatable {
  /// The most colours an indexed image can have.
  public static let largest = 256

  public let colours: [RGB]

  public init(colours: [RGB]) {
    self.colours = colours
  }

  /// The 20 colours of CIHP_PGN and the LIP tools.
  public static let cihp = Palette(colours: [
    RGB(0, 0, 0), RGB(128, 0, 0), RGB(255, 0, 0), RGB(0, 85, 0), RGB(170, 0, 51),
    RGB(255, 85, 0), RGB(0, 0, 85), RGB(0, 119, 221), RGB(85, 85, 0), RGB(0, 85, 85),
    RGB(85, 51, 0), RGB(52, 86, 128), RGB(0, 128, 0), RGB(0, 0, 255), RGB(51, 170, 221),
    RGB(0, 255, 255), RGB(85, 255, 170), RGB(170, 255, 85), RGB(255, 255, 0), RGB(255, 170, 0),
  ])

  /// The colour map of PASCAL VOC, which SCHP uses too: the bits of the index dealt out to red,
  /// green and blue in turn, the lowest to the highest bit of the colour.
  public static let voc = Palette(
    colours: (0..<largest).map { index in
      func channel(_ first: Int) -> UInt8 {
        (0..<3).reduce(0) { value, step in
          let bit = 3 * step + first
          return bit < 8 ? value | UInt8((index >> bit) & 1) << UInt8(7 - step) : value
        }
      }
      return RGB(channel(0), channel(1), channel(2))
    })

  /// Colours for person ids: black for none, then hues a golden angle apart, which stay distinct
  /// however many there are.
  public static let persons = Palette(
    colours: [RGB(0, 0, 0)]
      + (0..<largest - 1).map { index in
        let hue = (Double(index) * 0.618_033_988_749_895 + 0.58).truncatingRemainder(dividingBy: 1)
        let value = [1.0, 0.8, 0.62][index / 8 % 3]
        func channel(_ offset: Double) -> UInt8 {
          let position = abs((hue + offset).truncatingRemainder(dividingBy: 1) * 6 - 3)
          return UInt8((min(1, max(0, position - 1)) * 0.75 + 0.25) * value * 255)
        }
        return RGB(channel(0), channel(2.0 / 3), channel(1.0 / 3))
      })

  /// Reads the text of a palette file: JSON (`[[r, g, b], …]`), GIMP's .gpl, or one colour a line
  /// as `r g b` or `#rrggbb`, each with or without a name behind it. Numbers are 0–255; `#` and
  /// anything but six hexadecimal digits starts a comment.
  ///
  /// - Throws: ``PaletteError`` with the line and what is wrong with it.
  public init(parsing text: String) throws(PaletteError) {
    var text = text
    if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
    let colours: [RGB]
    if text.first(where: { !$0.isWhitespace }) == "[" {
      var json = JSONColours(text)
      colours = try json.parse()
    } else {
      colours = try Self.colours(inLinesOf: text)
    }
    if colours.isEmpty { throw PaletteError(line: nil, problem: "there are no colours in it") }
    if colours.count > Self.largest {
      throw PaletteError(
        line: nil, problem: "\(colours.count) colours are more than \(Self.largest)")
    }
    self.init(colours: colours)
  }

  private static func colours(inLinesOf text: String) throws(PaletteError) -> [RGB] {
    var colours: [RGB] = []
    var isGIMP = false
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (index, line) in lines.enumerated() {
      let words = line.split { $0.isWhitespace || $0 == "," || $0 == ";" }
      guard let first = words.first else { continue }
      if index == 0, line.hasPrefix("GIMP Palette") {
        isGIMP = true
      } else if isGIMP, colours.isEmpty, ["Name:", "Columns:", "Channels:"].contains(first) {
        continue
      } else if first.hasPrefix("#") {
        if let colour = RGB(hex: String(first)) { colours.append(colour) }
      } else {
        let channels = words.prefix(3).compactMap { UInt8($0) }
        guard channels.count == 3 else {
          throw PaletteError(
            line: index + 1,
            problem: "'\(line.prefix(40))' is neither 'r g b' (0-255 each) nor '#rrggbb'")
        }
        colours.append(RGB(channels[0], channels[1], channels[2]))
      }
    }
    return colours
  }
}

/// Why a palette file cannot be read.
public struct PaletteError: Error, Equatable, CustomStringConvertible {
  /// The line, from 1; nil if it is the file as a whole.
  public let line: Int?
  public let problem: String

  public var description: String {
    line.map { "line \($0): " + problem } ?? problem
  }
}

extension RGB {
  /// The colour that `#rrggbb` says; nil for anything else.
  public init?(hex text: String) {
    let digits = text.dropFirst()
    guard text.first == "#", digits.utf8.count == 6, digits.allSatisfy(\.isHexDigit),
      let value = Int(digits, radix: 16)
    else { return nil }
    self.init(UInt8(value >> 16), UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF))
  }

  /// The colour as `#rrggbb`.
  public var hex: String {
    [red, green, blue].reduce(into: "#") { text, channel in
      let digits = String(channel, radix: 16)
      text += digits.count == 1 ? "0" + digits : digits
    }
  }
}

/// The one JSON form a palette has: a list of lists of three numbers. (The standard decoders do not
/// say the line.)
private struct JSONColours {
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  mutating func parse() throws(PaletteError) -> [RGB] {
    var colours: [RGB] = []
    try expect("[")
    if !skip("]") {
      repeat {
        try expect("[")
        let red = try channel()
        try expect(",")
        let green = try channel()
        try expect(",")
        let blue = try channel()
        try expect("]")
        colours.append(RGB(red, green, blue))
      } while skip(",")
      try expect("]")
    }
    skipSpace()
    if position < bytes.count { throw failure("something follows the list") }
    return colours
  }

  private mutating func channel() throws(PaletteError) -> UInt8 {
    skipSpace()
    let start = position
    while position < bytes.count, UInt8(ascii: "0")...UInt8(ascii: "9") ~= bytes[position] {
      position += 1
    }
    guard let value = UInt8(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      throw failure("a whole number from 0 to 255 is wanted, as in [[r, g, b], ...]")
    }
    return value
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(PaletteError) {
    if !skip(character) { throw failure("'\(character)' is wanted, as in [[r, g, b], ...]") }
  }

  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count, bytes[position] <= UInt8(ascii: " ") {
      if bytes[position] == UInt8(ascii: "\n") { line += 1 }
      position += 1
    }
  }

  private func failure(_ problem: String) -> PaletteError {
    PaletteError(line: line, problem: problem)
  }
}
