import FoundationEssentials

/// ZIP archive in memory whose files are stored as they are: PNG and JPEG do not shrink.
struct ZipArchive {
  /// More bytes or files than the format can tell of.
  struct TooLarge: Error {}

  /// Bytes that all of it may have.
  private let limit: Int
  private var body = Data()
  private var directory = Data()
  private var count: UInt16 = 0

  /// 1 January 1980, so that the same files give the same archive.
  private static let date: UInt16 = 1 << 5 | 1

  init(limit: Int = Int(UInt32.max)) { self.limit = limit }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in
      sum & 1 == 0 ? sum >> 1 : 0xEDB8_8320 ^ (sum >> 1)
    }
  }

  /// CRC-32 (ISO 3309).
  static func checksum(_ bytes: Data) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(~0) { sum, byte in table[Int((sum ^ UInt32(byte)) & 0xFF)] ^ (sum >> 8) }
    }
  }

  /// Adds a file.
  ///
  /// - Parameters:
  ///   - name: Its path.
  ///   - bytes: Its contents.
  /// - Throws: ``TooLarge``: it does not fit any more, and is not in.
  mutating func add(_ name: String, _ bytes: Data) throws(TooLarge) {
    let (offset, path) = (body.count, Data(name.utf8))
    // Of each file there are heads in two places, and at the end another.
    let size = body.count + directory.count + bytes.count + 2 * path.count + 98
    guard size <= limit, path.count <= UInt16.max, count < .max else { throw TooLarge() }
    // Version 2.0; names in UTF-8; stored; time and date; sum; sizes; lengths of name and extra.
    var head = Data()
    head.append(little: UInt16(20), UInt16(0x800), UInt16(0), UInt16(0), Self.date)
    head.append(little: Self.checksum(bytes), UInt32(bytes.count), UInt32(bytes.count))
    head.append(little: UInt16(path.count), UInt16(0))
    body.append(little: UInt32(0x0403_4B50))
    body += head + path + bytes
    directory.append(little: UInt32(0x0201_4B50))
    // Made by Unix.
    directory.append(little: UInt16(0x0314))
    directory += head
    // No comment, the first disk, no attributes but a plain file's for all to read.
    directory.append(little: UInt16(0), UInt16(0), UInt16(0))
    directory.append(little: UInt32(0o100644) << 16, UInt32(offset))
    directory += path
    count += 1
  }

  /// The whole archive.
  var data: Data {
    var end = Data()
    end.append(little: UInt32(0x0605_4B50))
    end.append(little: UInt16(0), UInt16(0), count, count)
    end.append(little: UInt32(directory.count), UInt32(body.count))
    end.append(little: UInt16(0))
    return body + directory + end
  }
}

extension Data {
  fileprivate mutating func append<Number: FixedWidthInteger>(little numbers: Number...) {
    for number in numbers {
      Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
  }
}
