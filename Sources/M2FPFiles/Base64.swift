import FoundationEssentials

extension [UInt8] {
  /// RFC 4648, with padding.
  package var base64Text: String { Data(self).base64EncodedString() }

  /// Nil if `text` is not Base64.
  package init?(base64Text text: String) {
    guard let data = Data(base64Encoded: text) else { return nil }
    self.init(data)
  }
}
