import CImageCodec
import FoundationEssentials
import M2FPCore

/// An encoded file in memory that C owns; freed with the last reference.
///
/// `@unchecked` because of the pointer in it: nothing changes it after `init`.
public final class EncodedImage: @unchecked Sendable {
  private var buffer: m2fp_buffer

  /// The size of the file in bytes.
  public var count: Int { buffer.count }

  fileprivate init(
    _ encode: (inout m2fp_buffer, inout m2fp_image_result) -> Void
  ) throws(FileFailure) {
    buffer = m2fp_buffer()
    var result = m2fp_image_result()
    encode(&buffer, &result)
    switch result.status {
    case .ok: return
    case .outOfMemory:
      throw FileFailure(
        stage: .encode, code: .outOfMemory, message: "not enough memory to encode the result")
    case .tooLarge:
      throw FileFailure(
        stage: .encode, code: .imageTooLarge,
        message: "the image is too large for this output (\(result.reason)); scale it down")
    case .truncated, .corrupt, .unsupported, .libraryMissing:
      throw FileFailure(
        stage: .encode, code: .unsupported,
        message: "the result cannot be encoded (\(result.reason))")
    }
  }

  deinit {
    m2fp_buffer_free(&buffer)
  }

  /// A copy of the file.
  public var data: Data { withUnsafeBytes { Data($0) } }

  /// Calls the closure with the bytes of the file, which it must not keep.
  public func withUnsafeBytes<Value, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try body(UnsafeRawBufferPointer(start: buffer.bytes, count: buffer.count))
  }
}

/// Writes PNG. The same input gives the same bytes.
public enum PNGEncoder {
  /// An indexed PNG of 8 bits a pixel: pixel values are labels, palette entries their colours.
  ///
  /// - Parameters:
  ///   - map: The labels, each less than `palette.count`.
  ///   - palette: 1 to 256 colours.
  ///   - transparentBackground: Whether label 0 is fully transparent.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if a label has no colour or memory runs out.
  public static func labelMap(
    _ map: LabelMap, palette: [RGB], transparentBackground: Bool = false
  ) throws(FileFailure) -> EncodedImage {
    precondition((1...256).contains(palette.count))
    let colours = palette.flatMap { [$0.red, $0.green, $0.blue] }
    return try EncodedImage { buffer, result in
      m2fp_png_encode_indexed(
        map.pixels, Int32(map.width), Int32(map.height), colours, Int32(palette.count),
        transparentBackground ? 1 : 0, &buffer, &result)
    }
  }

  /// A PNG of 1 bit a pixel: white where the label is `label`, black elsewhere.
  ///
  /// - Parameters:
  ///   - label: The class index, or person id, that is shown.
  ///   - map: The labels.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public static func mask(
    of label: UInt8, in map: LabelMap
  ) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      m2fp_png_encode_mask(
        map.pixels, Int32(map.width), Int32(map.height), label, &buffer, &result)
    }
  }

  /// A PNG of 1 bit a pixel: white where the mask is, black elsewhere.
  ///
  /// - Parameter mask: The mask.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public static func mask(_ mask: BitMask) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      mask.withBytes {
        m2fp_png_encode_mask($0, Int32(mask.width), Int32(mask.height), 1, &buffer, &result)
      }
    }
  }

  /// A PNG of 8 bits a channel.
  ///
  /// - Parameter image: The pixels.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public static func rgb(_ image: RGBImage) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      m2fp_png_encode(
        image.pixels, Int32(image.width), Int32(image.height), 3, &buffer, &result)
    }
  }

  /// A PNG of 8 bits a channel with transparency.
  ///
  /// - Parameter image: The pixels.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public static func rgba(_ image: RGBAImage) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      m2fp_png_encode(
        image.pixels, Int32(image.width), Int32(image.height), 4, &buffer, &result)
    }
  }

  /// A grey PNG of 8 bits a pixel, the labels being the levels.
  ///
  /// - Parameter map: The levels.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if memory runs out.
  public static func grey(_ map: LabelMap) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      m2fp_png_encode(map.pixels, Int32(map.width), Int32(map.height), 1, &buffer, &result)
    }
  }
}

/// Writes baseline JPEG.
public enum JPEGEncoder {
  /// A JPEG with subsampled colour (4:2:0).
  ///
  /// - Parameters:
  ///   - image: The pixels; sides up to 65,500.
  ///   - quality: libjpeg's 1 to 100.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode` if a side is too long or memory runs out.
  public static func rgb(
    _ image: RGBImage, quality: Int = 90
  ) throws(FileFailure) -> EncodedImage {
    try EncodedImage { buffer, result in
      m2fp_jpeg_encode(
        image.pixels, Int32(image.width), Int32(image.height), Int32(quality), &buffer, &result)
    }
  }
}
