import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// Encoding; the files are read again by Pillow, which shares no code of ours.
@Suite struct EncoderTests {
  private static let palette = [
    RGB(0, 0, 0), RGB(255, 85, 0), RGB(0, 85, 255), RGB(170, 255, 85), RGB(1, 2, 3),
  ]

  /// Widths that fill the last byte of a 1-bit row by 1 to 8 bits.
  private static let widths = [1, 2, 7, 8, 9, 15, 16, 21, 64, 131]

  private func labels(width: Int, height: Int) -> LabelMap {
    var generator = SplitMix64(seed: UInt64(width * 1000 + height))
    return LabelMap(
      width: width, height: height,
      pixels: (0..<(width * height)).map { _ in UInt8.random(in: 0..<5, using: &generator) })
  }

  private func photo(width: Int, height: Int) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height)).flatMap { index in
        let (x, y) = (index % width, index / width)
        return [UInt8(x * 255 / width), UInt8(y * 255 / height), UInt8((x + y) % 200)]
      })
  }

  @Test func labelMapIsIndexed() async throws {
    let maps = Self.widths.map { labels(width: $0, height: 19) }
    let files = try maps.map { try PNGEncoder.labelMap($0, palette: Self.palette) }
    let colours = Self.palette.flatMap { [$0.red, $0.green, $0.blue] }
    for (map, seen) in zip(maps, try await Pillow.read(files)) {
      #expect(seen.format == "PNG" && seen.mode == "P")
      #expect(seen.width == map.width && seen.height == map.height)
      #expect(seen.pixels == map.pixels)
      #expect(Array(seen.palette.prefix(colours.count)) == colours)
    }
  }

  @Test(arguments: [UInt8(0), 3, 200]) func maskHasOneBit(label: UInt8) async throws {
    let maps = Self.widths.map { labels(width: $0, height: 19) }
    let files = try maps.map { try PNGEncoder.mask(of: label, in: $0) }
    for file in files {
      // Bit depth and colour type (grey) in IHDR.
      #expect(file.withUnsafeBytes { [$0[24], $0[25]] } == [1, 0])
    }
    for (map, seen) in zip(maps, try await Pillow.read(files)) {
      #expect(seen.mode == "1")
      #expect(seen.width == map.width && seen.height == map.height)
      #expect(seen.pixels == map.pixels.map { $0 == label ? 255 : 0 })
    }
  }

  /// Eight labels are compared in one number, whose highest bits these have.
  @Test func issue17LabelsFrom128OnAreLikeOthers() async throws {
    var generator = SplitMix64(seed: 17)
    let map = LabelMap(
      width: 61, height: 47,
      pixels: (0..<61 * 47).map { _ in UInt8.random(in: 126...255, using: &generator) })
    let palette = (0..<256).map { RGB(UInt8($0), UInt8(255 - $0), UInt8($0 / 2)) }
    let labels: [UInt8] = [126, 127, 128, 129, 191, 192, 254, 255]
    let seen = try await Pillow.read(
      [PNGEncoder.labelMap(map, palette: palette), PNGEncoder.grey(map)]
        + labels.map { try PNGEncoder.mask(of: $0, in: map) })
    #expect(seen[0].mode == "P" && seen[0].pixels == map.pixels)
    #expect(seen[0].palette == palette.flatMap { [$0.red, $0.green, $0.blue] })
    #expect(seen[1].mode == "L" && seen[1].pixels == map.pixels)
    for (label, mask) in zip(labels, seen.dropFirst(2)) {
      #expect(mask.pixels == map.pixels.map { $0 == label ? 255 : 0 }, "label \(label)")
    }
  }

  @Test func colourAndGreyAreExact() async throws {
    let image = photo(width: 61, height: 47)
    let colour = try await Pillow.read(PNGEncoder.rgb(image))
    #expect(colour.mode == "RGB" && colour.pixels == image.pixels)
    let map = labels(width: 61, height: 47)
    let grey = try await Pillow.read(PNGEncoder.grey(map))
    #expect(grey.mode == "L" && grey.pixels == map.pixels)
  }

  @Test func transparencyIsExact() async throws {
    let image = RGBAImage(
      width: 19, height: 7, pixels: (0..<19 * 7 * 4).map { UInt8(truncatingIfNeeded: $0 * 37) })
    let seen = try await Pillow.read(PNGEncoder.rgba(image))
    #expect(seen.mode == "RGBA" && seen.pixels == image.pixels)
    let map = labels(width: 61, height: 47)
    let clear = try await Pillow.read(
      PNGEncoder.labelMap(map, palette: Self.palette, transparentBackground: true))
    #expect(clear.mode == "P" && clear.pixels == map.pixels && clear.transparency == 0)
    let solid = try await Pillow.read(PNGEncoder.labelMap(map, palette: Self.palette))
    #expect(solid.transparency == nil)
  }

  @Test func ownDecoderReadsTheColourMap() throws {
    let map = labels(width: 61, height: 47)
    let file = try PNGEncoder.labelMap(map, palette: Self.palette)
    let decoded = try file.withUnsafeBytes { bytes in try ImageDecoder.decode(bytes) }
    #expect(
      decoded.image.pixels
        == map.pixels.flatMap { label in
          let colour = Self.palette[Int(label)]
          return [colour.red, colour.green, colour.blue]
        })
    #expect(decoded.warnings.isEmpty)
  }

  @Test func jpegIsClose() async throws {
    let image = photo(width: 123, height: 77)
    let seen = try await Pillow.read(JPEGEncoder.rgb(image))
    #expect(seen.format == "JPEG" && seen.mode == "RGB")
    try #require(seen.pixels.count == image.pixels.count)
    let total = zip(seen.pixels, image.pixels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
    #expect(Double(total) / Double(image.pixels.count) < 2.5)
  }

  /// Larger than every buffer between the encoders and the result.
  @Test func outputGrows() async throws {
    let noise = Photo.noise(width: 400, height: 300)
    #expect(try await Pillow.read(PNGEncoder.rgb(noise)).pixels == noise.pixels)
    let jpeg = try JPEGEncoder.rgb(noise, quality: 100)
    #expect(jpeg.count > 1 << 17)
    #expect(try await Pillow.read(jpeg).width == 400)
  }

  @Test func sameInputSameBytes() throws {
    func bytes(_ file: EncodedImage) -> [UInt8] { file.withUnsafeBytes { Array($0) } }
    let map = labels(width: 131, height: 90)
    #expect(
      try bytes(PNGEncoder.labelMap(map, palette: Self.palette))
        == bytes(PNGEncoder.labelMap(map, palette: Self.palette)))
    #expect(try bytes(PNGEncoder.mask(of: 1, in: map)) == bytes(PNGEncoder.mask(of: 1, in: map)))
    let image = photo(width: 64, height: 64)
    #expect(try bytes(JPEGEncoder.rgb(image)) == bytes(JPEGEncoder.rgb(image)))
  }

  @Test func impossibleOutputsFail() throws {
    let map = labels(width: 10, height: 10)
    #expect(throws: FileFailure.self) {
      try PNGEncoder.labelMap(map, palette: Array(Self.palette.prefix(2)))
    }
    let wide = RGBImage(width: 65_501, height: 1, pixels: [UInt8](repeating: 0, count: 196_503))
    let failure = #expect(throws: FileFailure.self) { try JPEGEncoder.rgb(wide) }
    #expect(failure?.code == .imageTooLarge)
  }
}

/// Debian's Pillow, as a decoder that shares no code with ours.
private struct Pillow: Decodable {
  let format: String
  let mode: String
  let width: Int
  let height: Int
  let palette: [UInt8]
  let pixels: [UInt8]
  /// The index of the transparent colour.
  let transparency: Int?

  private static let script = """
    import json, sys
    from PIL import Image
    answers = []
    for path in sys.argv[1:]:
        image = Image.open(path)
        pixels = image.convert("L") if image.mode == "1" else image
        answers.append({"format": image.format, "mode": image.mode, "width": image.width,
                        "height": image.height, "palette": image.getpalette() or [],
                        "pixels": list(pixels.tobytes()),
                        "transparency": image.info.get("transparency")})
    json.dump(answers, sys.stdout)
    """

  static func read(_ files: [EncodedImage]) async throws -> [Pillow] {
    let folder = try TemporaryFolder()
    let paths = try files.enumerated().map { try folder.write("\($0.offset)", $0.element.data) }
    let answer = try await TestPython.run(script, paths)
    let seen = try JSONDecoder().decode([Pillow].self, from: Data(answer.utf8))
    try #require(seen.count == files.count)
    return seen
  }

  static func read(_ file: EncodedImage) async throws -> Pillow {
    try #require(try await read([file]).first)
  }
}
