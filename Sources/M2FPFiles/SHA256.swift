import CLibCrypto
import SystemPackage

/// SHA-256 (FIPS 180-4), by OpenSSL.
public enum SHA256 {
  /// Left to itself, the library takes its locks down as the process ends, where threads may still be at
  /// work: they would end it by a signal.
  private static let isReady = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1

  /// - Parameter bytes: The message.
  /// - Returns: 32 bytes.
  public static func digest(of bytes: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    precondition(isReady, "OpenSSL can be used")
    let done = EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha256(), nil)
    precondition(done == 1 && length == 32, "OpenSSL has SHA-256")
    return digest[..<32]
  }

  /// - Parameter bytes: The message.
  /// - Returns: 64 lower-case hexadecimal digits.
  public static func hexadecimal(of bytes: UnsafeRawBufferPointer) -> String {
    hexadecimal(digest(of: bytes))
  }

  private static func hexadecimal(_ digest: ArraySlice<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: digest.count * 2) { text in
      for (index, byte) in digest.enumerated() {
        text[index * 2] = digits[Int(byte >> 4)]
        text[index * 2 + 1] = digits[Int(byte & 15)]
      }
      return digest.count * 2
    }
  }

  /// - Parameter path: A file.
  /// - Returns: 64 lower-case hexadecimal digits.
  /// - Throws: `Errno` when the file cannot be read.
  public static func hexadecimal(ofFile path: FilePath) throws -> String {
    let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
    return try file.closeAfter { try hexadecimal(of: file) }
  }

  /// - Parameter file: An open file, whose place does not move.
  /// - Returns: 64 lower-case hexadecimal digits.
  /// - Throws: `Errno` when it cannot be read.
  package static func hexadecimal(of file: FileDescriptor) throws -> String {
    // Not mapped: a file that is cut short meanwhile would end the process.
    guard isReady, let context = EVP_MD_CTX_new() else { throw Errno.noMemory }
    defer { EVP_MD_CTX_free(context) }
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
    var place: Int64 = 0
    try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 64) { block in
      while case let count = try file.read(fromAbsoluteOffset: place, into: block), count > 0 {
        EVP_DigestUpdate(context, block.baseAddress, count)
        place += Int64(count)
      }
    }
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    EVP_DigestFinal_ex(context, &digest, &length)
    return hexadecimal(digest[..<Int(length)])
  }
}
