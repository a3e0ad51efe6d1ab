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
  /// As ``ReadHeader``, of a file that is read in parts.
  typealias FindInSource =
    @Sendable (
      _ source: UnsafePointer<m2fp_source>, _ header: UnsafeMutablePointer<m2fp_image_header>,
      _ result: UnsafeMutablePointer<m2fp_image_result>
    ) -> Void
  /// Finds the size in a file of which no more is read than is needed; its first bytes are there.
  typealias FindHeader =
    @Sendable (_ beginning: [UInt8], _ read: Reader) -> ImageHeader?

  /// As people call it, and sidecars do.
  let name: String
  /// How names of its files end, in lower case; the first is the one that is written.
  let suffixes: [String]
  /// What its files begin with: any of these.
  let signatures: [Signature]
  let readHeader: ReadHeader
  let decode: Decode
  let findHeader: FindHeader

  /// `findHeader` is nil where the beginning of a file tells its size.
  private init(
    _ name: String, suffixes: [String], signatures: [Signature],
    readHeader: @escaping ReadHeader, decode: @escaping Decode, findHeader: FindHeader? = nil
  ) {
    self.name = name
    self.suffixes = suffixes
    self.signatures = signatures
    self.readHeader = readHeader
    self.decode = decode
    self.findHeader =
      findHeader ?? { beginning, _ in
        var result = m2fp_image_result()
        var header = m2fp_image_header()
        readHeader(beginning, beginning.count, &header, &result)
        return result.status == .ok ? ImageHeader(header) : nil
      }
  }

  static let all = [jpeg, png, webp, heic, avif, tiff, jpegXL, gif, bmp]

  static let jpeg = ImageCodec(
    "JPEG", suffixes: ["jpg", "jpeg", "jpe", "jfif"], signatures: [[.at(0, [0xFF, 0xD8, 0xFF])]],
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

  static let png = ImageCodec(
    "PNG", suffixes: ["png"],
    // The rest of the signature tells how a transfer has damaged the file: the decoder says so.
    signatures: [[.at(0, [0x89, 0x50, 0x4E, 0x47])]], readHeader: m2fp_png_header,
    decode: m2fp_png_decode)

  private static let webp = ImageCodec(
    "WebP", suffixes: ["webp"], signatures: [["RIFF", .at(8, "WEBP")]],
    readHeader: m2fp_webp_header, decode: m2fp_webp_decode)

  private static let heic = ImageCodec(
    "HEIC", suffixes: ["heic", "heif", "hif"],
    signatures: ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].map(isoMedia),
    readHeader: m2fp_heif_header, decode: m2fp_heif_decode,
    findHeader: inParts(m2fp_heif_find_header))

  private static let avif = ImageCodec(
    "AVIF", suffixes: ["avif", "avifs"], signatures: ["avif", "avis"].map(isoMedia),
    readHeader: m2fp_heif_header, decode: m2fp_heif_decode,
    findHeader: inParts(m2fp_heif_find_header))

  private static let tiff = ImageCodec(
    "TIFF", suffixes: ["tiff", "tif"],
    // In both orders of bytes; 42, or 43 where offsets have 64 bits.
    signatures: [["II*\0"], ["MM\0*"], ["II+\0"], ["MM\0+"]],
    readHeader: m2fp_tiff_header, decode: m2fp_tiff_decode,
    findHeader: inParts(m2fp_tiff_find_header))

  private static let jpegXL = ImageCodec(
    "JPEG XL", suffixes: ["jxl"], signatures: [[.at(0, [0xFF, 0x0A])], [.at(4, "JXL \r\n")]],
    readHeader: m2fp_jxl_header, decode: m2fp_jxl_decode)

  private static let gif = ImageCodec(
    "GIF", suffixes: ["gif"], signatures: [["GIF87a"], ["GIF89a"]],
    readHeader: m2fp_gif_header, decode: m2fp_gif_decode)

  private static let bmp = ImageCodec(
    "BMP", suffixes: ["bmp", "dib"],
    signatures: [["BM", .at(6, [0, 0, 0, 0])]],
    readHeader: m2fp_bmp_header, decode: m2fp_bmp_decode)

  /// What files of a brand begin with.
  private static func isoMedia(_ brand: String) -> Signature { [.at(4, "ftyp" + brand)] }
}

extension ImageCodec {
  /// The part of a file that was read last.
  private struct Part {
    let read: Reader
    var offset = 0
    var bytes: [UInt8]

    /// Copies bytes of the file; returns how many there were.
    mutating func copy(from start: Int, to buffer: UnsafeMutableRawBufferPointer) -> Int {
      var copied = 0
      while copied < buffer.count {
        let wanted = start + copied
        if !(offset..<(offset + bytes.count)).contains(wanted) {
          bytes = read(wanted)
          offset = wanted
          if bytes.isEmpty { break }
        }
        let some = bytes[(wanted - offset)...].prefix(buffer.count - copied)
        buffer[copied..<(copied + some.count)].copyBytes(from: some)
        copied += some.count
      }
      return copied
    }
  }

  /// Lets C read a file in parts.
  private static func inParts(_ find: @escaping FindInSource) -> FindHeader {
    { beginning, read in
      withoutActuallyEscaping(read) { read in
        var part = Part(read: read, bytes: beginning)
        var result = m2fp_image_result()
        var header = m2fp_image_header()
        withUnsafeMutablePointer(to: &part) { part in
          var source = m2fp_source(
            context: part,
            read: { context, offset, buffer, count in
              guard offset >= 0 else { return 0 }
              return context.assumingMemoryBound(to: Part.self).pointee.copy(
                from: Int(offset), to: UnsafeMutableRawBufferPointer(start: buffer, count: count))
            }, size: -1)
          find(&source, &header, &result)
        }
        return result.status == .ok ? ImageHeader(header) : nil
      }
    }
  }
}

extension ImageCodec {
  /// Bytes at places of a file, all of which are there.
  struct Signature: Sendable, ExpressibleByArrayLiteral {
    /// Bytes at one place.
    struct Part: Sendable, ExpressibleByStringLiteral {
      let offset: Int
      let bytes: [UInt8]

      init(stringLiteral text: String) {
        self = .at(0, text)
      }

      private init(offset: Int, bytes: [UInt8]) {
        self.offset = offset
        self.bytes = bytes
      }

      static func at(_ offset: Int, _ text: String) -> Part {
        Part(offset: offset, bytes: Array(text.utf8))
      }

      static func at(_ offset: Int, _ bytes: [UInt8]) -> Part {
        Part(offset: offset, bytes: bytes)
      }
    }

    let parts: [Part]

    init(arrayLiteral parts: Part...) {
      self.parts = parts
    }

    func matches(_ bytes: UnsafeRawBufferPointer) -> Bool {
      parts.allSatisfy { part in
        bytes.count >= part.offset + part.bytes.count
          && bytes[part.offset..<(part.offset + part.bytes.count)].elementsEqual(part.bytes)
      }
    }
  }

  /// The codec of a file with these first bytes.
  static func of(_ bytes: UnsafeRawBufferPointer) -> ImageCodec? {
    all.first { $0.signatures.contains { $0.matches(bytes) } }
  }

  /// The library that is opened for the format, where that fails.
  var missingLibrary: String? {
    var header = m2fp_image_header()
    var result = m2fp_image_result()
    // Whatever it makes of no file, it opens the library first.
    readHeader([0], 1, &header, &result)
    return result.status == .libraryMissing ? result.reason : nil
  }
}

extension ImageHeader {
  init(_ header: m2fp_image_header) {
    self.init(
      pixels: Int(header.width) * Int(header.height), workingBytes: Int(header.working_bytes))
  }
}
