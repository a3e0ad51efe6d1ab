import CImageCodec
import M2FPCore

/// What a decoder may be asked to hold. The file's own size is the reader's business.
public struct ImageLimits: Sendable, Equatable {
  /// The largest number of pixels.
  public var maxPixels: Int

  /// - Parameter maxPixels: the largest number of pixels, by default 100 million.
  public init(maxPixels: Int = 100_000_000) {
    self.maxPixels = maxPixels
  }

  /// The most that may be asked for: of photos that have results already the limit is not known.
  package static let most = ImageLimits(maxPixels: 4_000_000_000)
}

/// A decoded picture and what is worth knowing of its file.
public struct DecodedImage: Sendable {
  /// The pixels, upright: ``orientation`` is already applied.
  public let image: RGBImage
  public let format: ImageFormat
  /// The orientation that the file asked for, 1 to 8.
  public let orientation: Int
  /// Oddities and damage, in the library's words.
  public let warnings: [String]
  /// Whether something was lost or does not match, so that pixels may be wrong.
  public let isDamaged: Bool

  package init(
    image: RGBImage, format: ImageFormat, orientation: Int, warnings: [String], isDamaged: Bool
  ) {
    self.image = image
    self.format = format
    self.orientation = orientation
    self.warnings = warnings
    self.isDamaged = isDamaged
  }
}

/// What a file says of its picture.
public struct ImageHeader: Sendable, Equatable {
  public var pixels: Int
  /// Bytes that decoding holds besides the file and the pixels.
  public var workingBytes: Int
}

/// Decodes photos of the formats in ``ImageFormat`` to upright RGB, the same pixels that Pillow or the
/// format's own tool gives.
public enum ImageDecoder {
  /// Decodes a file that lies in memory.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - limits: Checked against the header, before anything is allocated.
  ///   - refuseDamaged: Whether damage that leaves a picture to be read is a failure instead of a
  ///     warning.
  /// - Returns: The picture, upright, transparency composited over white.
  /// - Throws: ``FileFailure`` of stage `decode`, with a message that ends in a remedy.
  public static func decode(
    _ bytes: UnsafeRawBufferPointer, limits: ImageLimits = ImageLimits(),
    refuseDamaged: Bool = false
  ) throws(FileFailure) -> DecodedImage {
    let codec = try sniff(bytes)
    let data = bytes.bindMemory(to: UInt8.self)
    guard let start = data.baseAddress else { throw empty }

    var result = m2fp_image_result()
    var header = m2fp_image_header()
    codec.readHeader(start, data.count, &header, &result)
    try check(result, codec)

    let (width, height) = (Int(header.width), Int(header.height))
    try check(header, limits)
    var options = m2fp_decode_options(refuse_damaged: refuseDamaged ? 1 : 0)
    let pixels = [UInt8](unsafeUninitializedCapacity: width * height * 3) { buffer, count in
      guard let pixels = buffer.baseAddress else { return }
      codec.decode(start, data.count, &header, &options, pixels, &result)
      count = result.status == .ok ? width * height * 3 : 0
    }
    try check(result, codec)

    let orientation = Int(header.orientation)
    let swapsSides = orientation >= 5
    let image = RGBImage(
      width: swapsSides ? height : width, height: swapsSides ? width : height, pixels: pixels)
    return DecodedImage(
      image: image, format: ImageFormat(codec), orientation: orientation, warnings: result.warnings,
      isDamaged: result.is_damaged != 0)
  }

  /// Decodes a file that lies in memory.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - limits: Checked against the header, before anything is allocated.
  ///   - refuseDamaged: Whether damage that leaves a picture to be read is a failure instead of a
  ///     warning.
  /// - Returns: The picture, upright, transparency composited over white.
  /// - Throws: ``FileFailure`` of stage `decode`, with a message that ends in a remedy.
  public static func decode(
    _ bytes: [UInt8], limits: ImageLimits = ImageLimits(), refuseDamaged: Bool = false
  ) throws(FileFailure) -> DecodedImage {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(FileFailure) in
        try decode(bytes, limits: limits, refuseDamaged: refuseDamaged)
      }
    }
    return try result.get()
  }

  /// Looks at a file's beginning only: whether it is a picture, and how large.
  ///
  /// - Throws: ``FileFailure`` of stage `decode`, as ``decode(_:limits:refuseDamaged:)-1`` throws it.
  package static func check(_ bytes: [UInt8], limits: ImageLimits) throws(FileFailure) {
    let codec = try bytes.withUnsafeBytes { bytes in
      Result { () throws(FileFailure) in try sniff(bytes) }
    }.get()
    var result = m2fp_image_result()
    var header = m2fp_image_header()
    codec.readHeader(bytes, bytes.count, &header, &result)
    try check(result, codec)
    try check(header, limits)
  }

  /// Decodes a label map: an indexed or grey PNG whose pixel values are meant as numbers.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - limits: Checked against the header, before anything is allocated.
  /// - Returns: The values as stored: palette indices, or levels of 1 to 16 bits.
  /// - Throws: ``FileFailure`` of stage `decode`; also for a PNG that holds colours, and for any
  ///   damage, as classes may be wrong then.
  public static func labels(
    _ bytes: [UInt8], limits: ImageLimits = ImageLimits()
  ) throws(FileFailure) -> IndexMap {
    let codec = try bytes.withUnsafeBytes { bytes in
      Result { () throws(FileFailure) in try sniff(bytes) }
    }.get()
    guard codec.name == ImageCodec.png.name else { throw notLabels("this is a \(codec.name)") }
    var result = m2fp_image_result()
    var header = m2fp_image_header()
    m2fp_png_header(bytes, bytes.count, &header, &result)
    try check(result, codec)
    let (width, height) = (Int(header.width), Int(header.height))
    try check(header, limits)
    // Deflate makes at most 1032 bytes of one, and a pixel has a bit or more.
    guard width * height / 8 <= bytes.count * 1032 else {
      throw failure(
        .truncated,
        "the PNG is cut short (it says to have \(width) × \(height) pixels); copy or download it again"
      )
    }
    var options = m2fp_decode_options(refuse_damaged: 1)
    let values = [UInt16](unsafeUninitializedCapacity: width * height) { buffer, count in
      guard let values = buffer.baseAddress else { return }
      m2fp_png_decode_labels(bytes, bytes.count, &header, &options, values, &result)
      count = result.status == .ok ? width * height : 0
    }
    if result.status == .unsupported { throw notLabels(result.reason) }
    try check(result, codec)
    return IndexMap(width: width, height: height, pixels: values)
  }

  private static func notLabels(_ reason: String) -> FileFailure {
    failure(
      .unsupported,
      "not a label map (\(reason)): it must be an indexed or grey PNG whose pixel values are classes "
        + "or ids")
  }

  private static func check(
    _ header: m2fp_image_header, _ limits: ImageLimits
  ) throws(FileFailure) {
    let (width, height) = (Int(header.width), Int(header.height))
    guard width * height <= limits.maxPixels else {
      throw failure(
        .imageTooLarge,
        "the image has \(width) × \(height) pixels, more than the limit of \(limits.maxPixels)",
        .overLimit)
    }
    guard header.coded_pixels <= limits.maxPixels else {
      throw failure(
        .imageTooLarge,
        "the image is made of one of \(header.coded_pixels) pixels, more than the limit of "
          + "\(limits.maxPixels)", .overLimit)
    }
  }

  /// Reads of a file only what tells its size: the beginning; for a JPEG as far as its first scan,
  /// skipping what lies before its frame header.
  ///
  /// - Parameter read: Gives the bytes of the file from an offset on, at least 1024 or up to its end.
  /// - Returns: Nil if the file does not tell: it ends too early, or begins no picture.
  public static func header(reading read: (_ offset: Int) -> [UInt8]) -> ImageHeader? {
    let beginning = read(0)
    return beginning.withUnsafeBytes { ImageCodec.of($0) }?.findHeader(beginning, read)
  }

  /// How many bytes of a file ``isPhoto(_:)`` asks for.
  public static let signatureSize = 32

  /// Whether a file begins like one of a format that is read.
  ///
  /// - Parameter beginning: The first ``signatureSize`` bytes, or all there are.
  /// - Returns: Whether it does.
  public static func isPhoto(_ beginning: UnsafeRawBufferPointer) -> Bool {
    if case .supported = FileSignature(beginning) { true } else { false }
  }

  private static var empty: FileFailure { failure(.empty, "the file is empty") }

  private static func sniff(_ bytes: UnsafeRawBufferPointer) throws(FileFailure) -> ImageCodec {
    guard !bytes.isEmpty else { throw empty }
    switch FileSignature(bytes) {
    case .supported(let codec):
      return codec
    case .known(let what, let remedy):
      throw failure(.unknownFormat, "this is \(what); \(remedy)")
    case .unknown:
      throw failure(
        .unknownFormat, "no photo of a known format, nor anything else known; give it a photo")
    }
  }

  private static func check(
    _ result: m2fp_image_result, _ codec: ImageCodec
  ) throws(FileFailure) {
    let name = codec.name
    switch result.status {
    case .ok:
      return
    case .truncated:
      throw failure(
        .truncated, "the \(name) is cut short (\(result.reason)); copy or download it again")
    case .corrupt:
      throw failure(
        .corrupt, "the \(name) is damaged (\(result.reason)); copy or download it again")
    case .unsupported:
      throw failure(
        .unsupported,
        "this kind of \(name) is not supported (\(result.reason)); convert it to a plain JPEG or PNG"
      )
    case .tooLarge:
      throw failure(.imageTooLarge, "the \(name) is too large (\(result.reason)); scale it down")
    case .outOfMemory:
      throw failure(.outOfMemory, "not enough memory to decode the \(name)")
    case .libraryMissing:
      throw failure(
        .libraryMissing,
        "the \(name) cannot be read: the library \(result.reason) is not installed",
        .missingLibrary(result.reason))
    }
  }

  private static func failure(
    _ code: FileFailure.Code, _ message: String, _ detail: FileFailure.Detail? = nil
  ) -> FileFailure {
    FileFailure(stage: .decode, code: code, message: message, detail: detail)
  }
}
