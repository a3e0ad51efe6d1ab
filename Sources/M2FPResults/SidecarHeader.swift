import M2FPCore
import M2FPFiles
import SystemPackage

/// What tells whether outputs are current, taken out of a sidecar's text without decoding the rest.
///
/// Foundation's decoder takes a fifth of a millisecond for a sidecar, too long for each of 200,000
/// photos that have not changed. This reads what m2fp wrote and nothing else: where the text is not
/// quite what is expected (an escaped character, another order of keys within a value), the answer
/// is nil, and the whole is decoded instead.
package struct SidecarHeader {
  package var formatVersion = 0
  package var inputName: FilePath = ""
  package var inputSize = 0
  package var inputDigest = ""
  /// Pixels, upright.
  package var (inputWidth, inputHeight) = (0, 0)
  package var modelName = ""
  package var modelDigest = ""
  /// The text of the options, as it was encoded.
  package var options: ArraySlice<UInt8> = []
  package var outputs: [(path: FilePath, size: Int)] = []
  /// Of the labels that m2fp wrote; empty in version 2.
  package var labelsDigest = ""
  /// Of those that a person has put in their place; empty where nobody has.
  package var editedDigest = ""

  /// - Parameter text: A whole sidecar.
  package init?(_ text: [UInt8]) {
    var scanner = JSONScanner(text)
    // What follows is long, and tells nothing of this.
    var isDone = false
    let isWhole = scanner.object { key, scanner in
      switch key {
      case "format_version": return scanner.number(&formatVersion)
      case "input":
        return scanner.object { key, scanner in
          switch key {
          case "name":
            var name = ""
            guard scanner.string(&name), !name.utf8.contains(0) else { return false }
            inputName = FilePath(name)
            return true
          case "size": return scanner.number(&inputSize)
          case "sha256": return scanner.string(&inputDigest)
          case "width": return scanner.number(&inputWidth)
          case "height": return scanner.number(&inputHeight)
          // Not text: the whole is decoded.
          case "name_bytes": return false
          default: return scanner.skip()
          }
        }
      case "model":
        return scanner.object { key, scanner in
          switch key {
          case "name": scanner.string(&modelName)
          case "sha256": scanner.string(&modelDigest)
          default: scanner.skip()
          }
        }
      case "labels":
        return scanner.object { key, scanner in
          switch key {
          case "sha256": scanner.string(&labelsDigest)
          case "edited": scanner.string(&editedDigest)
          default: scanner.skip()
          }
        }
      case "parts":
        isDone = !outputs.isEmpty
        return !isDone && scanner.skip()
      case "options":
        let start = scanner.position
        guard scanner.skip() else { return false }
        options = text[start..<scanner.position]
        return true
      case "outputs":
        return scanner.array { scanner in
          var (path, size) = ("", 0)
          let isWhole = scanner.object { key, scanner in
            switch key {
            case "path": scanner.string(&path)
            case "size": scanner.number(&size)
            case "path_bytes": false
            default: scanner.skip()
            }
          }
          guard !path.utf8.contains(0) else { return false }
          outputs.append((FilePath(path), size))
          return isWhole
        }
      default: return scanner.skip()
      }
    }
    guard isWhole || isDone && text.ends(with: "\n}\n"), formatVersion > 0, !inputDigest.isEmpty,
      !modelDigest.isEmpty, !options.isEmpty, !outputs.isEmpty
    else { return nil }
  }
}

/// Walks through JSON that its own encoder wrote: each step tells whether the text was as expected.
private struct JSONScanner {
  private let text: [UInt8]
  private(set) var position = 0

  init(_ text: [UInt8]) {
    self.text = text
  }

  /// Calls `member` at the value of each member, which it must step over.
  mutating func object(_ member: (String, inout JSONScanner) -> Bool) -> Bool {
    sequence(from: UInt8(ascii: "{"), to: UInt8(ascii: "}")) { scanner in
      var key = ""
      guard scanner.string(&key), scanner.take(UInt8(ascii: ":")) else { return false }
      scanner.skipSpace()
      return member(key, &scanner)
    }
  }

  /// Calls `element` at each element, which it must step over.
  mutating func array(_ element: (inout JSONScanner) -> Bool) -> Bool {
    sequence(from: UInt8(ascii: "["), to: UInt8(ascii: "]"), element)
  }

  private mutating func sequence(
    from open: UInt8, to close: UInt8, _ element: (inout JSONScanner) -> Bool
  ) -> Bool {
    guard take(open) else { return false }
    if take(close) { return true }
    while element(&self) {
      if take(close) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
    return false
  }

  /// Reads a string without escaped characters.
  mutating func string(_ value: inout String) -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    let start = position
    while position < text.count, text[position] != UInt8(ascii: "\"") {
      if text[position] == UInt8(ascii: "\\") { return false }
      position += 1
    }
    guard position < text.count,
      let valid = String(validating: text[start..<position], as: UTF8.self)
    else { return false }
    value = valid
    position += 1
    return true
  }

  /// Reads a number without a sign, fraction or exponent.
  mutating func number(_ value: inout Int) -> Bool {
    skipSpace()
    let start = position
    value = 0
    while position < text.count, case let digit = Int(text[position]) - 48, (0...9).contains(digit)
    {
      guard position - start < 18 else { return false }
      value = value * 10 + digit
      position += 1
    }
    return position > start && position < text.count
      && ![UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E")].contains(text[position])
  }

  /// Steps over a value of any kind.
  mutating func skip() -> Bool {
    skipSpace()
    var depth = 0
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        // The end of what the value lies in, after a number or a word.
        if depth == 0 { return true }
        depth -= 1
        if depth == 0 {
          position += 1
          return true
        }
      case UInt8(ascii: "\""):
        position += 1
        while position < text.count, text[position] != UInt8(ascii: "\"") {
          position += text[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        if depth == 0 {
          position += 1
          return position <= text.count
        }
      case UInt8(ascii: ","), UInt8(ascii: "\n"): if depth == 0 { return true }
      default: break
      }
      position += 1
    }
    return false
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == byte else { return false }
    position += 1
    return true
  }

  mutating func skipSpace() {
    while position < text.count,
      text[position] == UInt8(ascii: " ") || text[position] == UInt8(ascii: "\n")
    {
      position += 1
    }
  }
}
