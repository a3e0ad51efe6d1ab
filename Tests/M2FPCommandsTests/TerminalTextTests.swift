import SystemPackage
import Testing

@testable import M2FPCommands

struct TerminalTextTests {
  private func text(_ value: TerminalText) -> String { value.text }

  @Test(arguments: [
    ("a.jpg", "a.jpg"), ("José 👩‍👩‍👧.jpg", "José 👩‍👩‍👧.jpg"), ("a\\b.jpg", "a\\b.jpg"),
    ("a\nfailed b", "a\\nfailed b"), ("a\r\u{1B}[2Kb", "a\\r\\x1B[2Kb"),
    ("\t\u{0}\u{7F}", "\\t\\x00\\x7F"),
    ("\u{9B}31m", "\\u{9B}31m"), ("\u{202E}gpj.exe", "\\u{202E}gpj.exe"),
    ("\u{2066}\u{2069}\u{200E}\u{200F}\u{61C}", "\\u{2066}\\u{2069}\\u{200E}\\u{200F}\\u{61C}"),
    ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"), ("\r\n", "\\r\\n"),
  ])
  func whatIsInterpolatedIsEscaped(_ name: String, _ shown: String) {
    #expect(text("\(name): \(own: "\u{1B}[0m")\n") == shown + ": \u{1B}[0m\n")
    // A path ends at its first NUL.
    if !name.contains("\0") { #expect(text("\(FilePath(name))") == shown) }
  }

  @Test func bytesThatAreNotUTF8AreShown() {
    let path = [0x61, 0xFF, 0xC3, 0x28, 0xF0, 0x9F, 0x0A, 0].map { CChar(bitPattern: $0) }
    #expect(text("\(FilePath(platformString: path))") == "a\\xFF\\xC3(\\xF0\\x9F\\n")
  }

  @Test func everyControlIsEscaped() {
    for value in UInt32(0)...0x2FFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let category = scalar.properties.generalCategory
      let isBidi = scalar.properties.isBidiControl
      let shown = text("\(String(scalar))")
      if category == .control || category == .lineSeparator || category == .paragraphSeparator
        || isBidi
      {
        #expect(shown.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(value)")
      } else {
        #expect(shown == String(scalar))
      }
    }
  }
}
