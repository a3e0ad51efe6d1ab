import CFont
import FoundationEssentials
import M2FPCore

/// An outline font whose file has been read.
public struct Font: Sendable, Equatable {
  private let bytes: [UInt8]

  /// Fonts that are looked for, the first that exists wins: where Debian, Fedora, Arch and Alpine
  /// keep DejaVu Sans.
  public static let usualPaths = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu/DejaVuSans.ttf",
  ]

  /// Reads a font file (TrueType, OpenType); nil if there is none that can be used.
  public init?(path: String) {
    guard let data = FileManager.default.contents(atPath: path) else { return nil }
    bytes = [UInt8](data)
    guard (try? render("x", size: 12)) != nil else { return nil }
  }

  /// Renders a line of text, anti-aliased.
  ///
  /// - Parameters:
  ///   - text: Read left to right, one glyph a code point.
  ///   - size: Pixels an em, 4 to 1000.
  /// - Returns: A stencil as high as the font's ascent and descent.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public func render(_ text: String, size: Int) throws(FileFailure) -> Stencil {
    precondition((4...1000).contains(size))
    let stencil = bytes.withUnsafeBufferPointer { bytes -> Stencil? in
      // An open font is for one thread; opening costs little beside rendering.
      guard let start = bytes.baseAddress, let font = m2fp_font_open(start, bytes.count) else {
        return nil
      }
      defer { m2fp_font_close(font) }
      let codes = text.unicodeScalars.map(\.value)
      var line = m2fp_text()
      defer { m2fp_text_free(&line) }
      guard m2fp_text_render(font, codes, codes.count, Int32(size), &line) == 0,
        let coverage = line.coverage
      else { return nil }
      let (width, height) = (Int(line.width), Int(line.height))
      return Stencil(
        width: width, height: height,
        pixels: Array(UnsafeBufferPointer(start: coverage, count: width * height)))
    }
    guard let stencil else {
      throw FileFailure(
        stage: .encode, code: .outOfMemory, message: "not enough memory to write the names")
    }
    return stencil
  }
}
