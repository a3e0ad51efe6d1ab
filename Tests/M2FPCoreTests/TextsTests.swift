import Foundation
import M2FPCore
import Testing

/// What Foundation has and is done without, against Foundation.
struct TextsTests {
  @Test(arguments: [
    "", " ", "a", " a b\t", "\n\u{A0}ä \r\n", "\u{2003}x\u{3000}", "e\u{301} ",
  ])
  func textsAreTrimmedAsFoundationTrimsThem(_ text: String) {
    #expect(text.trimmed == text.trimmingCharacters(in: .whitespacesAndNewlines))
    #expect("<\(text)>".dropFirst().dropLast().trimmed == text.trimmed)
  }

  @Test(arguments: [
    0, -0.0, 1, 0.05, 2.0 / 3, 1e-7, 123_456.789, 1e300, -1.5, .greatestFiniteMagnitude, .infinity,
    .nan,
  ])
  func numbersAreWrittenAsFoundationWritesThem(_ number: Double) {
    for format in ["%.5g", "%.1f %%", "%7.3f", "%.7g"] {
      #expect(String(printf: format, number) == String(format: format, number))
    }
    #expect(String(printf: "%.7g %.7g", number, 1.5) == String(format: "%.7g %.7g", number, 1.5))
  }

  @Test func codesAreWrittenAsFoundationWritesThem() {
    for code: UInt32 in [0, 7, 0x9B, 0x202E, 0x10FFFF] {
      #expect(String(printf: "%04X", code) == String(format: "%04X", code))
    }
    #expect(String(printf: "%%%02X", UInt8(9)) == "%09")
  }
}
