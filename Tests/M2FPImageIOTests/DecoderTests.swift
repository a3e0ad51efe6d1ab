import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// Decoding, against what Pillow made of the same files.
@Suite struct DecoderTests {
  @Test func fixturesAreThere() {
    #expect(Fixtures.good.count >= 127)
    #expect(Fixtures.good.contains("ycck-adobe-inverted.jpg"))
  }

  @Test(arguments: Fixtures.good) func pixelsEqualPillows(name: String) throws {
    let decoded = try ImageDecoder.decode(Fixtures.bytes(name))
    let reference = try Fixtures.bytes(name + ".rgb")
    try #require(decoded.image.pixels.count == reference.count)
    let difference = zip(decoded.image.pixels, reference)
      .map { abs(Int($0) - Int($1)) }.max()
    // PNG is exact; libjpeg's versions may differ by a level.
    #expect(try #require(difference) <= (decoded.format == .jpeg ? 1 : 0))
    #expect(decoded.format == (name.hasSuffix(".jpg") ? .jpeg : .png))
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
  @Test(arguments: Fixtures.good.filter { $0.contains(/orientation-[1-9]/) })
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
  ])
  func eachFailsByName(name: String, code: FileFailure.Code, words: String) throws {
    let failure = try #require(Fixtures.failure(decoding: Fixtures.bytes("bad/\(name)")))
    #expect(failure.code == code)
    #expect(failure.stage == .decode)
    #expect(failure.message.contains(words), "\(failure.message)")
  }

  @Test(arguments: [
    ("GIF89a......", "a GIF image"), ("RIFF....WEBPVP8 ", "a WebP image"),
    ("II*\0....", "a TIFF or camera raw image"), ("....ftypheic....", "a HEIC image"),
    ("....ftypavif....", "an AVIF image"), ("....ftypisom....", "a video or other ISO media file"),
    ("BM....\0\0\0\0......", "a BMP image"), ("%PDF-1.7", "a PDF document"),
    ("<?xml version='1.0'?><svg/>", "an SVG drawing"),
    ("....ftypcrx ", "a Canon CR3 camera raw image"),
    ("....jP  \r\n", "a JPEG 2000 image"), ("II+\0....", "a TIFF or camera raw image"),
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
    "exif-in-two-segments-orientation-6.jpg",
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
