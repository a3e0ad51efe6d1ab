import SystemPackage

/// Paths are bytes: no `Character`, no canonical equivalence, no UTF-8 asked for.
extension FilePath {
  /// A path of these bytes; nil if one of them is NUL, at which C would cut the path.
  package init?(bytes: some Collection<UInt8>) {
    guard !bytes.contains(0) else { return nil }
    self.init(platformString: bytes.map { CChar(bitPattern: $0) } + [0])
  }

  /// The bytes, without an end mark.
  package var bytes: [UInt8] { withBytes { Array($0) } }

  /// Lends out the bytes, without an end mark.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows
    -> Result
  {
    try withPlatformString {
      try body(UnsafeRawBufferPointer(start: UnsafeRawPointer($0), count: length))
    }
  }

  /// The folder that the path lies in, "." if it names none.
  package var folder: FilePath {
    let folder = removingLastComponent()
    return folder.isEmpty ? "." : folder
  }

  /// The bytes of the last component; none for "/" and for no path.
  package var name: [UInt8] { lastComponent?.bytes ?? [] }

  /// What is left of the path behind that of a folder, without its front "/"; nil where the path does
  /// not begin with the folder's.
  package func below(_ folder: FilePath) -> FilePath? {
    let (path, front) = (bytes, folder.bytes)
    guard path.starts(with: front) else { return nil }
    let rest = path.dropFirst(front.count)
    if rest.isEmpty || front.last == 0x2F { return FilePath(bytes: rest) }
    return front.isEmpty || rest.first != 0x2F ? nil : FilePath(bytes: rest.dropFirst())
  }

  /// The path of what bears this name in this folder.
  ///
  /// - Precondition: `name` holds no NUL.
  package func appending(name: some Collection<UInt8>) -> FilePath {
    guard let path = FilePath(bytes: bytes + (isEmpty || self == "/" ? [] : [0x2F]) + name) else {
      preconditionFailure("a name holds no NUL")
    }
    return path
  }

  /// The path whose last name ends in `suffix` besides.
  package func appending(suffix: String) -> FilePath {
    removingLastComponent().appending(name: name + Array(suffix.utf8))
  }

  /// The text, if the bytes are UTF-8.
  package var utf8Text: String? { withBytes { String(validating: $0, as: UTF8.self) } }
}

extension FilePath {
  /// A path of one component.
  package init(_ component: Component) { self.init(root: nil, CollectionOfOne(component)) }
}

extension FilePath.Component {
  /// The bytes, without an end mark.
  package var bytes: [UInt8] {
    withPlatformString { name in
      var count = 0
      while name[count] != 0 { count += 1 }
      return Array(UnsafeRawBufferPointer(start: UnsafeRawPointer(name), count: count))
    }
  }
}

extension Collection<UInt8> {
  /// Whether these bytes end in those of `suffix`.
  package func ends(with suffix: String) -> Bool {
    let suffix = suffix.utf8
    return count >= suffix.count && self.suffix(suffix.count).elementsEqual(suffix)
  }
}

/// A path in JSON: text where it is UTF-8; else `KEY` holds the text with what is not replaced, and
/// `KEY_bytes` the bytes in Base64, as in ripgrep's output.
extension KeyedEncodingContainer {
  package mutating func encode(path: FilePath, forKey key: Key, bytesKey: Key) throws {
    try encode(path.string, forKey: key)
    if path.utf8Text == nil {
      try encode(path.bytes.base64Text, forKey: bytesKey)
    }
  }
}

extension KeyedDecodingContainer {
  package func decode(path key: Key, bytesKey: Key) throws -> FilePath {
    let bytes: [UInt8]
    if let text = try decodeIfPresent(String.self, forKey: bytesKey) {
      guard let decoded = [UInt8](base64Text: text) else {
        throw DecodingError.dataCorruptedError(
          forKey: bytesKey, in: self, debugDescription: "not Base64")
      }
      bytes = decoded
    } else {
      bytes = Array(try decode(String.self, forKey: key).utf8)
    }
    guard let path = FilePath(bytes: bytes) else {
      throw DecodingError.dataCorruptedError(
        forKey: key, in: self, debugDescription: "a path that holds NUL")
    }
    return path
  }
}
