import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// Decoding, against what Pillow made of the same files.
@Suite struct DecoderTests {
  @Test func fixturesAreThere() {
    #expect(Fixtures.good.count >= 230)
    #expect(Fixtures.good.contains("ycck-adobe-inverted.jpg"))
  }

  @Test(arguments: Fixtures.good) func pixelsEqualPillows(name: String) throws {
    let decoded = try ImageDecoder.decode(Fixtures.bytes(name))
    let reference = try Fixtures.bytes(name + ".rgb")
    try #require(decoded.image.pixels.count == reference.count)
    let difference = zip(decoded.image.pixels, reference)
      .map { abs(Int($0) - Int($1)) }.max()
    #expect(try #require(difference) <= Self.tolerance(name))
    #expect(name.hasSuffix("." + decoded.format.fileExtension))
  }

  /// Levels. What has no losses is exact, and so is WebP; versions of libraries may differ by a level in
  /// the rest, and JPEG XL is rounded to 8 bits.
  private static func tolerance(_ name: String) -> Int {
    let exact = name.contains(/\.(png|webp|tiff|gif|bmp)$/) && !name.contains("jpeg")
    return exact ? 0 : 1
  }

  /// The size that is found in a file that is read in parts, so that not all of it is there at a time.
  @Test(arguments: Fixtures.good) func partsOfAFileTellItsSize(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let decoded = try ImageDecoder.decode(bytes)
    let header = try #require(
      ImageDecoder.header { offset in Array(bytes.dropFirst(offset).prefix(1024)) })
    #expect(header.pixels == decoded.image.width * decoded.image.height)
    #expect(header.workingBytes >= 0)
  }

  /// Orientations that libraries apply by themselves are none that is left to be reported.
  @Test(arguments: ["rotated-1.heic", "mirrored-1.avif", "exif-6.heic", "orientation-6.jxl"])
  func boxesAreNoOrientation(name: String) throws {
    #expect(try ImageDecoder.decode(Fixtures.bytes(name)).orientation == 1)
  }

  @Test(arguments: 1...8) func orientationIsAppliedAndReported(orientation: Int) throws {
    let decoded = try ImageDecoder.decode(Fixtures.bytes("orientation-\(orientation).jpg"))
    #expect(decoded.orientation == orientation)
    #expect(decoded.image.width == (orientation < 5 ? 35 : 27))
    #expect(decoded.image.height == (orientation < 5 ? 27 : 35))
  }

  @Test func senselessOrientationIsUpright() throws {
    for name in ["orientation-9.jpg", "exif-directory-out-of-bounds.jpg", "baseline-444.jpg"] {
      #expect(try ImageDecoder.decode(Fixtures.bytes(name)).orientation == 1)
    }
  }

  /// In the name of each file is what Pillow makes of what it says.
  @Test(
    arguments: Fixtures.good.filter { $0.contains(/orientation-[1-9]/) && !$0.hasSuffix(".jxl") })
  func orientationIsThatOfPillow(name: String) throws {
    let number = try #require(name.firstMatch(of: /orientation-([1-9])/)?.1)
    let expected = try #require(Int(number))
    let decoded = try ImageDecoder.decode(Fixtures.bytes(name))
    #expect(decoded.orientation == (expected == 9 ? 1 : expected))
  }

  @Test func recoverableWarningsAreCollected() throws {
    let decoded = try ImageDecoder.decode(Fixtures.bytes("extraneous-bytes-before-marker.jpg"))
    #expect(decoded.warnings.count == 1)
    #expect(try #require(decoded.warnings.first).contains("extraneous bytes"))
    #expect(!decoded.isDamaged)
    #expect(try ImageDecoder.decode(Fixtures.bytes("baseline-444.jpg")).warnings.isEmpty)
  }

  @Test func lostShadesAreCollectedAsAWarning() throws {
    for name in ["grey-16bit.png", "grey-16bit-adam7.png", "grey-16bit-trns.png"] {
      let warnings = try ImageDecoder.decode(Fixtures.bytes(name)).warnings
      #expect(warnings.count == 1 && warnings[0].contains("16-bit grey above 255"))
    }
    for name in ["rgb-16bit.png", "grey-alpha-16bit.png", "grey-8bit.png"] {
      #expect(try ImageDecoder.decode(Fixtures.bytes(name)).warnings.isEmpty)
    }
  }

  @Test func pixelLimitIsInclusive() throws {
    let bytes = try Fixtures.bytes("rgb-8bit.png")
    #expect(Fixtures.failure(decoding: bytes, limits: ImageLimits(maxPixels: 35 * 27)) == nil)
    let failure = Fixtures.failure(decoding: bytes, limits: ImageLimits(maxPixels: 35 * 27 - 1))
    #expect(failure?.code == .imageTooLarge)
    #expect(failure?.detail == .overLimit)
  }
}

/// Files with something wrong that Pillow reads all the same: what it reads is in
/// ``DecoderTests/pixelsEqualPillows(name:)``.
@Suite struct DamagedInputTests {
  @Test(arguments: [
    ("damaged-no-end-marker-zeros-follow.jpg", FileFailure.Code.truncated, "end marker is missing"),
    ("damaged-lost-restart-interval.jpg", .corrupt, "instead of RST2"),
    ("damaged-end-marker-amid-pixels.jpg", .truncated, "premature end"),
    ("damaged-no-iend.png", .truncated, "IEND chunk is missing"),
    ("damaged-cut-inside-iend.png", .truncated, "IEND chunk is missing"),
    ("damaged-junk-after-idat.png", .truncated, "IEND chunk is missing"),
    ("damaged-bad-crc-of-text-after-idat.png", .corrupt, "CRC of the tEXt chunk"),
    ("damaged-bad-crc-of-idat.png", .corrupt, "CRC of the IDAT chunk"),
  ])
  func eachIsReadWithAWarningOrRefused(
    name: String, code: FileFailure.Code, words: String
  ) throws {
    let bytes = try Fixtures.bytes(name)
    let decoded = try ImageDecoder.decode(bytes)
    #expect(decoded.isDamaged)
    #expect(try #require(decoded.warnings.first).contains(words), "\(decoded.warnings)")
    let failure = #expect(throws: FileFailure.self) {
      try ImageDecoder.decode(bytes, refuseDamaged: true)
    }
    #expect(failure?.code == code)
    #expect(failure?.message.contains(words) == true, "\(String(describing: failure))")
  }

  @Test func damageIsToldBeforeOddities() throws {
    let odd = try Fixtures.bytes("extraneous-bytes-before-marker.jpg")
    let decoded = try ImageDecoder.decode(Array(odd.dropLast(2)) + [0, 0, 0, 0, 0, 0, 0, 0])
    #expect(decoded.isDamaged)
    #expect(try #require(decoded.warnings.first).contains("end marker is missing"))
  }

  @Test(arguments: Fixtures.good.filter { !$0.hasPrefix("damaged-") })
  func nothingElseIsCalledDamaged(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    #expect(try !ImageDecoder.decode(bytes, refuseDamaged: true).isDamaged)
  }
}

/// Files that must fail, each with the right name for what is wrong.
@Suite struct BadInputTests {
  @Test(arguments: [
    ("empty.jpg", FileFailure.Code.empty, "empty"),
    ("text.jpg", .unknownFormat, "this is text"),
    ("truncated-at-10-percent.jpg", .truncated, "cut short"),
    ("truncated-at-50-percent.jpg", .truncated, "cut short"),
    ("truncated-at-99-percent.jpg", .truncated, "cut short"),
    ("truncated-at-50-percent-progressive.jpg", .truncated, "cut short"),
    ("truncated-at-50-percent.png", .truncated, "cut short"),
    ("bad-crc.png", .corrupt, "CRC of the IHDR chunk"),
    ("adler-does-not-match.png", .corrupt, "incorrect data check"),
    ("cut-in-a-chunk-after-the-pixels.png", .truncated, "inside the tEXt chunk"),
    ("text-of-2-mebibytes.png", .unsupported, "a text inflates"),
    ("cgbi.png", .unsupported, "Apple's CgBI"),
    ("jpeg-ls.jpg", .unsupported, "JPEG-LS"),
    ("git-lfs-pointer.jpg", .unknownFormat, "a Git LFS pointer, not an image; run `git lfs pull`"),
    ("base64.jpg", .unknownFormat, "base64 text; decode it"),
    ("header-100000x100000.png", .imageTooLarge, "100000 × 100000"),
    ("header-65000x65000.jpg", .imageTooLarge, "65000 × 65000"),
    ("truncated-at-50-percent.webp", .truncated, "the WebP is cut short"),
    ("frame-without-start-code.webp", .corrupt, "the WebP is damaged"),
    ("header-16383x16383.webp", .imageTooLarge, "16383 × 16383"),
    ("truncated-at-50-percent.heic", .truncated, "the HEIC is cut short"),
    ("truncated-at-95-percent.avif", .truncated, "the AVIF is cut short"),
    ("header-30000x30000.avif", .imageTooLarge, "30000 × 30000"),
    ("header-60000x60000.avif", .imageTooLarge, "60000x60000"),
    ("header-8x8.heic", .corrupt, "its tiles make no picture"),
    ("header-8x8.avif", .corrupt, "not as large as its header says"),
    ("header-8x8-of-1500x1000.heic", .corrupt, "not as large as its header says"),
    ("header-8x8-of-1500x1000.avif", .corrupt, "not as large as its header says"),
    ("grid-8x8-of-30000x30000.heic", .corrupt, "its tiles make no picture"),
    ("cut-8x8-of-30000x30000.avif", .imageTooLarge, "made of one of 900000000 pixels"),
    ("grid-with-a-gap.heic", .corrupt, "its tiles make no picture"),
    ("grid-with-a-gap.avif", .corrupt, "its tiles make no picture"),
    ("grid-of-unreadable-place.avif", .corrupt, "its tiles make no picture"),
    ("alpha-of-another-size.avif", .corrupt, "its alpha has another size"),
    ("grid-of-itself.heic", .corrupt, "its tiles make no picture"),
    ("grid-of-nothing.avif", .corrupt, "its tiles make no picture"),
    ("overlay-of-nothing.heic", .unsupported, "a picture made of others, `iovl`"),
    ("same-as-itself.avif", .unsupported, "a picture made of others, `iden`"),
    ("no-decoder.heic", .unsupported, "Unsupported image type"),
    ("truncated-at-50-percent.tiff", .truncated, "the TIFF is cut short"),
    ("strip-beyond-the-end.tiff", .truncated, "the TIFF is cut short"),
    ("lzw-of-noise.tiff", .corrupt, "not yet in table"),
    ("header-60000x60000.tiff", .imageTooLarge, "60000 × 60000"),
    ("camera-raw-preview.tiff", .unsupported, "a camera's raw file"),
    ("jpeg-2000-inside.tiff", .unsupported, "decoding is not implemented"),
    ("float.tiff", .unsupported, "no whole positive numbers"),
    ("truncated-at-50-percent.jxl", .truncated, "the JPEG XL is cut short"),
    ("header-of-2-to-the-60.jxl", .imageTooLarge, "2^40"),
    ("flipped-bytes.jxl", .corrupt, "the JPEG XL is damaged"),
    ("truncated-at-50-percent.gif", .truncated, "the GIF is cut short"),
    ("no-picture.gif", .corrupt, "it holds no picture"),
    ("picture-without-pixels.gif", .corrupt, "it has no pixels"),
    ("truncated-rows.bmp", .truncated, "the BMP is cut short"),
    ("truncated-runs.bmp", .truncated, "the BMP is cut short"),
    ("header-60000x60000.bmp", .imageTooLarge, "60000 × 60000"),
    ("jpeg-inside.bmp", .unsupported, "an unusual compression"),
  ])
  func eachFailsByName(name: String, code: FileFailure.Code, words: String) throws {
    let failure = try #require(Fixtures.failure(decoding: Fixtures.bytes("bad/\(name)")))
    #expect(failure.code == code)
    #expect(failure.stage == .decode)
    #expect(failure.message.contains(words), "\(failure.message)")
  }

  @Test(arguments: [
    ("....ftypisom....", "a video or other ISO media file"), ("%PDF-1.7", "a PDF document"),
    ("<?xml version='1.0'?><svg/>", "an SVG drawing"),
    ("....ftypcrx ", "a Canon CR3 camera raw image"),
    ("....jP  \r\n", "a JPEG 2000 image"),
    ("FUJIFILMCCD-RAW 0201", "a camera raw image"),
  ])
  func otherFormatsAreNamed(start: String, what: String) throws {
    let failure = try #require(Fixtures.failure(decoding: Array(start.utf8)))
    #expect(failure.code == .unknownFormat)
    #expect(failure.message == "this is \(what); convert it to JPEG or PNG")
  }

  @Test(arguments: [
    ("<!DOCTYPE html>", "this is a web page, not an image; download the image itself"),
    ("\n <html><head>", "this is a web page, not an image; download the image itself"),
    (
      "data:image/png;base64,iVBOR",
      "this is an image written as base64 text; decode it with `base64 -d`"
    ),
    (
      "iVBORw0KGgoAAAANSUhEUgAA",
      "this is an image written as base64 text; decode it with `base64 -d`"
    ),
    ("PK\u{3}\u{4}", "this is a ZIP archive; unpack it"),
    ("hello", "this is text, not an image; give it a photo"),
  ])
  func eachHasItsRemedy(start: String, message: String) throws {
    let failure = try #require(Fixtures.failure(decoding: Array(start.utf8)))
    #expect(failure.code == .unknownFormat && failure.message == message)
  }

  @Test func unknownBytesAreNotGuessed() {
    let failure = Fixtures.failure(decoding: [0, 1, 2, 3, 250, 251, 0, 9])
    #expect(failure?.code == .unknownFormat)
  }

  /// A lossless (SOF3) and a 12-bit picture, by patching the frame header of a baseline one.
  @Test(arguments: [(1, UInt8(0xC3)), (4, UInt8(12))])
  func jpegVariantsAreUnsupported(offset: Int, value: UInt8) throws {
    var bytes = try Fixtures.bytes("baseline-444.jpg")
    bytes[try start(of: 0xC0, in: bytes) + offset] = value
    let failure = Fixtures.failure(decoding: bytes)
    #expect(failure?.code == .unsupported, "\(String(describing: failure))")
  }

  @Test func scanBombIsRefused() throws {
    let bytes = try Fixtures.bytes("progressive.jpg")
    let first = try start(of: 0xDA, in: bytes)
    let second = try start(of: 0xDA, in: bytes, after: first + 2)
    let tables = bytes[first..<second]
    let bomb = bytes[..<second] + Array(repeating: tables, count: 200).joined() + bytes[second...]
    let failure = try #require(Fixtures.failure(decoding: Array(bomb)))
    #expect(failure.code == .unsupported)
    #expect(failure.message.contains("scans"))
  }

  /// But those that Pillow reads, too, which are said to be damaged.
  @Test func everyCutOfAnImageFails() throws {
    let cuts = try JSONDecoder().decode(
      [String: [Int]].self, from: Data(Fixtures.bytes("cuts.json")))
    #expect(cuts.count == 5)
    for (name, readable) in cuts {
      let bytes = try Fixtures.bytes(name)
      for count in 0..<bytes.count {
        let cut = Array(bytes[..<count])
        if readable.contains(count) {
          #expect(try ImageDecoder.decode(cut).isDamaged, "\(name) cut at \(count)")
          continue
        }
        let failure = try #require(Fixtures.failure(decoding: cut), "\(name) cut at \(count)")
        if count > 8 { #expect(failure.code == .truncated, "\(name) at \(count): \(failure)") }
      }
    }
  }

  /// Damage at random places, with a fixed seed: it decodes or throws, and never crashes.
  @Test(arguments: [
    "baseline-420.jpg", "progressive.jpg", "cmyk-adobe-inverted.jpg", "arithmetic-progressive.jpg",
    "orientation-6.jpg", "restart-intervals.jpg", "palette-4bit-trns.png", "rgba-16bit-adam7.png",
    "animated.png", "exif-orientation-5-after-idat-adam7.png",
    "orientation-6-raw-profile-in-ztxt.png", "orientation-6-xmp-compressed.png",
    "exif-in-two-segments-orientation-6.jpg", "lossy-alpha.webp", "alpha.heic", "10bit.avif",
    "rgb-tiles.tiff", "ycbcr.tiff", "alpha-lossy.jxl", "interlaced.gif", "palette-rle8.bmp",
  ])
  func damagedFilesNeverCrash(name: String) throws {
    let original = try Fixtures.bytes(name)
    var generator = SplitMix64(seed: 20_261_124)
    var failures = 0
    for _ in 0..<400 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...6, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        bytes[place] = UInt8.random(in: 0...255, using: &generator)
      }
      if Bool.random(using: &generator) {
        bytes.removeLast(Int.random(in: 0..<bytes.count, using: &generator))
      }
      // A damaged header may ask for a large picture, which takes long but proves nothing.
      if Fixtures.failure(decoding: bytes, limits: ImageLimits(maxPixels: 100_000)) != nil {
        failures += 1
      }
    }
    #expect(failures > 100)
  }

  private func start(of marker: UInt8, in bytes: [UInt8], after: Int = 0) throws -> Int {
    try #require(
      (after..<(bytes.count - 1)).first { bytes[$0] == 0xFF && bytes[$0 + 1] == marker })
  }
}
