import CLibCrypto
import Foundation

/// SHA-256 (FIPS 180-4), by OpenSSL.
public enum SHA256 {
  /// - Parameter bytes: The message.
  /// - Returns: 32 bytes.
  public static func digest(of bytes: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    let done = EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha256(), nil)
    precondition(done == 1 && length == 32, "OpenSSL has SHA-256")
    return digest[..<32]
  }

  /// - Parameter bytes: The message.
  /// - Returns: 64 lower-case hexadecimal digits.
  public static func hexadecimal(of bytes: UnsafeRawBufferPointer) -> String {
    digest(of: bytes).map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }

  /// - Parameter path: A file, which is mapped rather than read.
  /// - Returns: 64 lower-case hexadecimal digits.
  /// - Throws: Foundation's error when the file cannot be mapped.
  public static func hexadecimal(ofFile path: String) throws -> String {
    try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
      .withUnsafeBytes { hexadecimal(of: $0) }
  }
}
