import Testing

@testable import M2FPCore

struct EscapingTests {
  /// A mark before or behind what is escaped makes one character of both, and hides it from whoever
  /// compares characters.
  @Test(arguments: ["\u{600}", "\u{6DD}", "\u{301}", "\u{200D}", "\u{FE0F}", "\u{1F1E6}"])
  func issue17NoMarkHidesMarkup(_ mark: String) {
    for text in ["<script>alert(1)</script>", "\" onload=\"x", "' & <!--"] {
      let scalars = text.unicodeScalars.map(String.init)
      for hidden in [mark + scalars.joined(separator: mark), scalars.map { $0 + mark }.joined()] {
        let escaped = hidden.escapedForMarkup
        #expect(!escaped.unicodeScalars.contains { ["<", ">", "\"", "'"].contains($0) })
        // What a reader makes of it is the text.
        var back = escaped.unicodeScalars.map(String.init).joined(separator: "\u{0}")
        for (word, scalar) in [
          ("lt", "<"), ("gt", ">"), ("quot", "\""), ("#39", "'"), ("amp", "&"),
        ] {
          let spaced = "&\(word);".unicodeScalars.map(String.init).joined(separator: "\u{0}")
          back = back.replacing(spaced, with: scalar)
        }
        #expect(back.replacing("\u{0}", with: "") == hidden)
      }
    }
  }

  @Test func whatXMLCannotHoldIsReplaced() {
    #expect("a\u{1B}[2J\u{0}\t\n".escapedForMarkup == "a\u{FFFD}[2J\u{FFFD}\t\n")
  }
}
