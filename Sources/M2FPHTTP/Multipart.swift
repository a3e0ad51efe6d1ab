import FoundationEssentials
import Glibc
import M2FPCore

/// Body of several parts (RFC 2046, RFC 7578), taken apart and put together.
enum Multipart {
  /// One part.
  struct Part: Equatable {
    var name: String?
    var filename: String?
    /// Where its contents lie in the body.
    let range: Range<Int>
  }

  /// Why a body cannot be taken apart.
  struct Malformed: Error, Equatable {
    /// The end of a sentence.
    let reason: String

    init(_ reason: String) {
      self.reason = reason
    }
  }

  /// More parts than any form of ours has.
  static let partLimit = 40
  /// Bytes of the lines before a part's contents.
  private static let headLimit = 8192

  /// The boundary that a `Content-Type` names; nil where it is no form, or names none that may be.
  static func boundary(_ contentType: String) -> String? {
    let fields = parameters(contentType)
    guard fields.value.lowercased() == "multipart/form-data",
      let boundary = fields.parameters["boundary"], (1...70).contains(boundary.utf8.count)
    else { return nil }
    return boundary
  }

  /// Takes a body apart.
  ///
  /// - Throws: ``Malformed`` where it is cut short, or breaks the rules otherwise.
  static func parts(_ body: [UInt8], boundary: String) throws(Malformed) -> [Part] {
    let (dashes, line) = (Array(("--" + boundary).utf8), Array(("\r\n--" + boundary).utf8))
    // What comes before the first is to be passed over.
    var position =
      body.starts(with: dashes)
      ? dashes.count : find(line, in: body, from: 0).map { $0 + line.count }
    var parts: [Part] = []
    while let start = position {
      if body[start...].starts(with: Array("--".utf8)) { return parts }
      // Blanks may follow a boundary.
      guard let headStart = find(Array("\r\n".utf8), in: body, from: start),
        body[start..<headStart].allSatisfy({ $0 == 0x20 || $0 == 0x09 })
      else { throw Malformed("a boundary is followed by something else") }
      guard let headEnd = find(Array("\r\n\r\n".utf8), in: body, from: headStart),
        headEnd - headStart <= headLimit
      else { throw Malformed("a part's head does not end") }
      guard let end = find(line, in: body, from: headEnd + 2), end >= headEnd + 4 else {
        throw Malformed("it is cut short")
      }
      if parts.count == partLimit { throw Malformed("it has more than \(partLimit) parts") }
      parts.append(part(body[headStart..<headEnd], headEnd + 4..<end))
      position = end + line.count
    }
    throw Malformed(parts.isEmpty ? "it has no such boundary as its type names" : "it is cut short")
  }

  private static func part(_ head: ArraySlice<UInt8>, _ range: Range<Int>) -> Part {
    var part = Part(range: range)
    for line in head.split(separator: UInt8(ascii: "\n")) {
      let text = String(decoding: line.filter { $0 != UInt8(ascii: "\r") }, as: UTF8.self)
      guard let colon = text.firstIndex(of: ":"),
        text[..<colon].lowercased() == "content-disposition"
      else { continue }
      let fields = parameters(String(text[text.index(after: colon)...]))
      part.name = fields.parameters["name"]
      part.filename = fields.parameters["filename"]
    }
    return part
  }

  /// `form-data; name="photo"; filename="a \"b\".jpg"`.
  static func parameters(_ text: String) -> (value: String, parameters: [String: String]) {
    var pieces: [String.UnicodeScalarView] = [.init()]
    var (isQuoted, isEscaped) = (false, false)
    for scalar in text.unicodeScalars {
      switch scalar {
      case _ where isEscaped:
        isEscaped = false
        // Browsers escape quotation marks by %22, and write backslashes as they are.
        if scalar != "\"" && scalar != "\\" { pieces[pieces.count - 1].append("\\") }
        pieces[pieces.count - 1].append(scalar)
      case "\\" where isQuoted: isEscaped = true
      case "\"": isQuoted.toggle()
      case ";" where !isQuoted: pieces.append(.init())
      default: pieces[pieces.count - 1].append(scalar)
      }
    }
    let texts = pieces.map { String($0).trimmed }
    var parameters: [String: String] = [:]
    for text in texts.dropFirst() {
      guard let equals = text.firstIndex(of: "=") else { continue }
      let name = text[..<equals].trimmed.lowercased()
      parameters[name] = parameters[name] ?? String(text[text.index(after: equals)...])
    }
    return (texts[0], parameters)
  }

  /// Where a sequence of bytes begins, from some place on.
  static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard let first = needle.first else { return nil }
    return bytes.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return nil }
      var position = start
      while position + needle.count <= bytes.count {
        guard let hit = memchr(base + position, Int32(first), bytes.count - position) else {
          return nil
        }
        position = UnsafeRawPointer(hit) - base
        guard position + needle.count <= bytes.count else { return nil }
        if memcmp(base + position, needle, needle.count) == 0 { return position }
        position += 1
      }
      return nil
    }
  }

  /// A file to be sent.
  struct File {
    let name: String
    let type: String
    let bytes: Data
  }

  /// Puts files together.
  ///
  /// - Parameters:
  ///   - files: In their order.
  ///   - boundary: What none of them holds: 128 random bits will do.
  /// - Returns: A body of type `multipart/mixed`.
  static func body(_ files: [File], boundary: String) -> Data {
    var body = Data()
    for file in files {
      body += Data(
        """
        --\(boundary)\r
        Content-Type: \(file.type)\r
        Content-Disposition: attachment; filename="\(file.name)"\r
        Content-Length: \(file.bytes.count)\r
        \r\n
        """.utf8)
      body += file.bytes
      body += Data("\r\n".utf8)
    }
    return body + Data("--\(boundary)--".utf8) + Data("\r\n".utf8)
  }
}
