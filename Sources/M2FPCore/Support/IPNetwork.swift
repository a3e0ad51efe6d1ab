import Glibc

/// IP address, of version 4 or 6; one of version 4 in the form of version 6 (`::ffff:10.0.0.1`) is of
/// version 4.
package struct IPAddress: Sendable, Hashable {
  /// 4 or 16.
  package let bytes: [UInt8]

  /// nil for a text that is none.
  package init?(_ text: String) {
    var (four, six) = (in_addr(), in6_addr())
    if inet_pton(AF_INET, text, &four) == 1 {
      bytes = withUnsafeBytes(of: &four) { Array($0) }
    } else if inet_pton(AF_INET6, text, &six) == 1 {
      let all = withUnsafeBytes(of: &six) { Array($0) }
      let isMapped = all[..<10].allSatisfy { $0 == 0 } && all[10] == 0xFF && all[11] == 0xFF
      bytes = isMapped ? Array(all[12...]) : all
    } else {
      return nil
    }
  }
}

/// IP network: the addresses that begin with the same bits, such as `10.0.0.0/8`.
package struct IPNetwork: Sendable, Equatable {
  private let address: IPAddress
  private let bits: Int

  /// Reads an address, or an address and the number of bits that count; nil for a text that is none.
  package init?(_ text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let address = IPAddress(String(parts[0])) else { return nil }
    let most = address.bytes.count * 8
    guard let bits = parts.count == 2 ? Int(parts[1]) : most, (0...most).contains(bits) else {
      return nil
    }
    self.address = address
    self.bits = bits
  }

  package func contains(_ other: IPAddress) -> Bool {
    guard other.bytes.count == address.bytes.count else { return false }
    let whole = bits / 8
    guard other.bytes[..<whole] == address.bytes[..<whole] else { return false }
    let rest = bits % 8
    return rest == 0 || (other.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0
  }
}
