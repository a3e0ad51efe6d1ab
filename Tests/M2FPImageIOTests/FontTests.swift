import Foundation
import M2FPCore
import M2FPImageIO
import Testing

@Suite struct FontTests {
  private let font: Font

  init() throws {
    font = try #require(Font.usualPaths.lazy.compactMap { Font(path: $0) }.first)
  }

  @Test func textIsDrawnWhereTheFontMeasuresIt() throws {
    let letter = try font.render("H", size: 40)
    let word = try font.render("HHHH", size: 40)
    #expect(word.height == letter.height && (40...60).contains(letter.height))
    #expect(abs(word.width - 4 * letter.width) <= 4)
    // A capital H: full coverage in its stems, none between them at the top.
    #expect(letter.pixels.contains(255))
    let top = try #require(
      (0..<letter.height).first { y in
        letter.pixels[y * letter.width..<(y + 1) * letter.width].contains(255)
      })
    let row = letter.pixels[(top + 1) * letter.width..<(top + 2) * letter.width]
    #expect(row.split(whereSeparator: { $0 > 0 }).contains { $0.count >= 10 })
    #expect(try font.render("H", size: 40) == letter)
  }

  @Test func edgesAreSmooth() throws {
    let shades = Set(try font.render("O", size: 30).pixels)
    #expect(shades.count > 20 && shades.contains(0) && shades.contains(255))
  }

  @Test func anyTextGivesAStencil() throws {
    let blank = try font.render("", size: 20)
    #expect(blank.width >= 1 && blank.pixels.allSatisfy { $0 == 0 })
    for text in [" ", "Äß€", "\u{1F600}", String(repeating: "m", count: 500)] {
      let stencil = try font.render(text, size: 11)
      #expect(stencil.pixels.count == stencil.width * stencil.height)
    }
  }

  @Test func whatIsNoFontIsRefused() throws {
    #expect(Font(path: "/nonexistent") == nil)
    #expect(Font(path: #filePath) == nil)
  }
}
