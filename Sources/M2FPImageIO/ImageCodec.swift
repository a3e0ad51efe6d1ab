import CImageCodec

/// A format that photos are read in. Another one is an entry of ``all`` and its decoder.
struct ImageCodec: Sendable {
  typealias ReadHeader =
    @Sendable (
      _ bytes: UnsafePointer<UInt8>, _ count: Int,
      _ header: UnsafeMutablePointer<m2fp_image_header>,
      _ result: UnsafeMutablePointer<m2fp_image_result>
    ) -> Void
  typealias Decode =
    @Sendable (
      _ bytes: UnsafePointer<UInt8>, _ count: Int, _ header: UnsafePointer<m2fp_image_header>,
      _ options: UnsafePointer<m2fp_decode_options>, _ pixels: UnsafeMutablePointer<UInt8>,
      _ result: UnsafeMutablePointer<m2fp_image_result>
    ) -> Void
  /// Gives the bytes of a file from an offset on, at least 1024 or up to its end.
  typealias Reader = (_ offset: Int) -> [UInt8]

  let format: ImageFormat
  /// How names of its files end, in lower case; the first is the one that is written.
  let suffixes: [String]
  /// What its files begin with.
  let signature: [UInt8]
  let readHeader: ReadHeader
  let decode: Decode
  /// Finds the size in a file of which no more is read than is needed; its first bytes are there.
  let findHeader: @Sendable (_ beginning: [UInt8], _ read: Reader) -> ImageHeader?

  static let all = [jpeg, png]

  /// The codec of a format.
  static func of(_ format: ImageFormat) -> ImageCodec {
    switch format {
    case .jpeg: jpeg
    case .png: png
    }
  }

  private static let jpeg = ImageCodec(
    format: .jpeg, suffixes: ["jpg", "jpeg", "jpe", "jfif"], signature: [0xFF, 0xD8, 0xFF],
    readHeader: m2fp_jpeg_header, decode: m2fp_jpeg_decode
  ) { beginning, read in
    // As far as the first scan, skipping what lies before the frame header.
    var bytes = beginning
    var frame = m2fp_jpeg_frame()
    while true {
      let offset = frame.offset
      switch m2fp_jpeg_find_frame(&frame, bytes, bytes.count) {
      case .found:
        return ImageHeader(
          pixels: Int(frame.width) * Int(frame.height), workingBytes: Int(frame.working_bytes))
      case .nothing: return nil
      case .more:
        guard frame.offset > offset else { return nil }
        bytes = read(Int(frame.offset))
      }
    }
  }

  private static let png = ImageCodec(
    format: .png, suffixes: ["png"],
    // The rest of the signature tells how a transfer has damaged the file: the decoder says so.
    signature: [0x89, 0x50, 0x4E, 0x47], readHeader: m2fp_png_header, decode: m2fp_png_decode
  ) { beginning, _ in
    var result = m2fp_image_result()
    var header = m2fp_image_header()
    m2fp_png_header(beginning, beginning.count, &header, &result)
    guard result.status == .ok else { return nil }
    return ImageHeader(
      pixels: Int(header.width) * Int(header.height), workingBytes: Int(header.working_bytes))
  }
}
