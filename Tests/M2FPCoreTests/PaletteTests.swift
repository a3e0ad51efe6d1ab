import M2FPCore
import Testing

@Suite struct PaletteTests {
  @Test func vocIsTheBitPattern() {
    let voc = Palette.voc.colours
    #expect(voc.count == 256)
    #expect(
      voc[0...8]
        == [
          RGB(0, 0, 0), RGB(128, 0, 0), RGB(0, 128, 0), RGB(128, 128, 0), RGB(0, 0, 128),
          RGB(128, 0, 128), RGB(0, 128, 128), RGB(128, 128, 128), RGB(64, 0, 0),
        ])
    #expect(
      voc[15...19]
        == [RGB(192, 128, 128), RGB(0, 64, 0), RGB(128, 64, 0), RGB(0, 192, 0), RGB(128, 192, 0)])
    #expect(voc[255] == RGB(224, 224, 192))
  }

  @Test func cihpHasTwentyDistinctColours() {
    #expect(Palette.cihp.colours.count == 20)
    #expect(Set(Palette.cihp.colours).count == 20)
  }

  @Test(arguments: [
    "[[0, 0, 0], [255,1,2]]", "\u{FEFF}[\n[0,0,0],\n[255,1,2]\n]\n",
    "GIMP Palette\nName: x\nColumns: 2\n# by hand\n  0   0   0\tBackground\n255 1 2 Hat\n",
    "0 0 0\r\n255 1 2 a hat\r\n", "# colours\n#000000\n\n#FF0102 Hat\n", "0,0,0\n255, 1, 2",
  ]) func readsEveryForm(_ text: String) throws {
    #expect(try Palette(parsing: text).colours == [RGB(0, 0, 0), RGB(255, 1, 2)])
  }

  @Test(arguments: [
    ("0 0 0\n1 2\n", 2), ("0 0 0\n\n256 0 0", 3), ("0 0 x", 1), ("[[0,0,0],\n[1,2]]", 2),
    ("[[0,0,0],\n[1,2,300]]", 2), ("[[0,0,0]", 1), ("[[0,0,0]]\n\nx", 3), ("[[0,0,0],]", 1),
    ("GIMP Palette\nred 0 0", 2), ("[[0,0,-1]]", 1),
  ]) func namesTheLineThatIsWrong(_ text: String, _ line: Int) {
    #expect {
      try Palette(parsing: text)
    } throws: { error in
      (error as? PaletteError)?.line == line && "\(error)".hasPrefix("line \(line): ")
    }
  }

  @Test(arguments: ["", "\n", "# nothing", "[]", "GIMP Palette\nName: x"])
  func refusesAnEmptyPalette(_ text: String) {
    #expect(throws: PaletteError.self) { try Palette(parsing: text) }
  }

  @Test func refusesMoreColoursThanAnIndexHolds() {
    let line = "1 2 3\n"
    #expect(throws: Never.self) { try Palette(parsing: String(repeating: line, count: 256)) }
    #expect(throws: PaletteError.self) { try Palette(parsing: String(repeating: line, count: 257)) }
  }

  @Test func writesColoursInHexadecimal() {
    #expect(RGB(0, 171, 12).hex == "#00ab0c")
  }
}
