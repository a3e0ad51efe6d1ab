import Glibc
import HTTPTypes
import M2FPCore
import M2FPFiles
import NIOCore
import SystemPackage

/// Who may ask.
package struct Guard: Sendable {
  /// Names that a client may know this server by; nil for any.
  package var hosts: Set<String>? = []
  /// Origins of other sites that may ask in a browser.
  package var origins: Set<String> = []
  /// Nobody without one of them may ask; nil for anybody.
  package var tokens: TokenList?
  /// Proxies whose word is taken on whom they ask for.
  package var proxies: [Proxy] = []

  package init() {}

  /// Checks that the request is meant for this server: a name that a stranger's page made point here
  /// is not ours.
  func check(host: String?) throws(Problem) {
    guard let host, !host.isEmpty else {
      throw Problem(400, "no-host", "The request names no host.")
    }
    guard let hosts else { return }
    let name = Self.name(host)
    // Only names can be made to point elsewhere.
    let isAddress = (try? SocketAddress(ipAddress: name, port: 0)) != nil
    if isAddress || name == "localhost" || hosts.contains(name) { return }
    throw Problem(421, "host", "This server does not go by the name '\(name.prefix(100))'.")
  }

  /// The host without a port, in lower case.
  private static func name(_ host: String) -> String {
    let host = host.lowercased()
    if host.hasPrefix("[") { return String(host.dropFirst().prefix { $0 != "]" }) }
    return String(host.prefix { $0 != ":" })
  }

  /// Checks that no other site's page asks.
  ///
  /// - Returns: The origin that may read the answer; nil where there is none but ours.
  func check(origin fields: HTTPFields, host: String?) throws(Problem) -> String? {
    let origin = fields[.origin]
    if let origin, origins.contains(origin) { return origin }
    let isOwn = origin.map { $0 == "http://\(host ?? "")" || $0 == "https://\(host ?? "")" } ?? true
    guard isOwn, fields[.fetchSite] != "cross-site" else {
      throw Problem(403, "origin", "Pages of other sites may not ask.")
    }
    return nil
  }

  /// Who asks, by the name of the token; nil where anybody may.
  func owner(_ fields: HTTPFields) throws(Problem) -> String? {
    guard let tokens else { return nil }
    let words = (fields[.authorization] ?? "").split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0].lowercased() == "bearer",
      let owner = tokens.owner(of: String(words[1]))
    else { throw Problem(401, "unauthorized", "This needs a token.") }
    return owner
  }
}

/// Proxy that tells in `X-Forwarded-For` whom it asks for.
package enum Proxy: Sendable, Equatable {
  /// What comes over sockets in a folder.
  case socket
  case network(IPNetwork)
}

extension Guard {
  /// The address of who asks, as far as it is known: that of the other side of the connection, or, where
  /// that is a trusted proxy's, the last one in `X-Forwarded-For` that is not. What stands before that
  /// anybody can have written.
  ///
  /// - Parameters:
  ///   - remote: The other side; nil for a socket in a folder.
  ///   - fields: The request's.
  /// - Returns: nil for somebody on this machine.
  func client(_ remote: String?, _ fields: HTTPFields) -> IPAddress? {
    var client = remote.flatMap { IPAddress($0) }
    guard !proxies.isEmpty, let name = HTTPField.Name("X-Forwarded-For") else { return client }
    var named = fields[values: name].flatMap { $0.split(separator: ",") }
    while isProxy(client), let last = named.popLast(),
      let address = IPAddress(last.trimmed)
    {
      client = address
    }
    return client
  }

  private func isProxy(_ address: IPAddress?) -> Bool {
    proxies.contains {
      switch $0 {
      case .socket: address == nil
      case .network(let network): address.map(network.contains) ?? false
      }
    }
  }
}

/// Tokens by which clients are known. It holds their digests only.
package struct TokenList: Sendable {
  private let tokens: [(owner: String, digest: [UInt8])]

  private static let leastLength = 32
  private static let sizeLimit = 1 << 20

  /// Reads a file of lines `NAME TOKEN` or `NAME sha256:HEX`.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/usage`` where others may read the file, it cannot
  ///   be read, or a line is none.
  package init(_ path: FilePath) throws(RunFailure) {
    func failure(_ reason: String) -> RunFailure { RunFailure(.usage, "\(path): \(reason)") }
    let contents: FileReader.Contents
    do throws(FileFailure) {
      contents = try FileReader.read(path, limit: Self.sizeLimit)
    } catch {
      throw failure(error.message)
    }
    guard contents.access.mode & 0o026 == 0 else {
      throw failure("others may read it: 'chmod 600' it")
    }
    try self.init(String(decoding: contents.bytes, as: UTF8.self), failure)
  }

  init(_ text: String, _ failure: (String) -> RunFailure) throws(RunFailure) {
    var tokens: [(owner: String, digest: [UInt8])] = []
    for (number, line) in text.split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline
    ).enumerated() {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.isEmpty || words[0].hasPrefix("#") { continue }
      guard words.count == 2 else {
        throw failure("line \(number + 1) is not a name and a token")
      }
      if words[1].hasPrefix("sha256:") {
        let digits = Array(words[1].dropFirst("sha256:".count).utf8)
        let digest = stride(from: 0, to: digits.count - 1, by: 2).compactMap {
          UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
        guard digits.count == 64, digest.count == 32 else {
          throw failure("line \(number + 1) holds no SHA-256: 64 hexadecimal digits")
        }
        tokens.append((String(words[0]), digest))
      } else {
        guard words[1].utf8.count >= Self.leastLength else {
          throw failure(
            "the token in line \(number + 1) has less than \(Self.leastLength) characters")
        }
        tokens.append((String(words[0]), Self.digest(String(words[1]))))
      }
    }
    if tokens.isEmpty { throw failure("it holds no token") }
    self.tokens = tokens
  }

  private static func digest(_ token: String) -> [UInt8] {
    Array(token.utf8).withUnsafeBytes { Array(SHA256.digest(of: $0)) }
  }

  /// Whose token it is. It takes as long for any: all are compared, and each wholly.
  func owner(of token: String) -> String? {
    let digest = Self.digest(token)
    var owner: String?
    for candidate in tokens {
      var difference: UInt8 = 0
      for index in 0..<32 { difference |= candidate.digest[index] ^ digest[index] }
      if difference == 0 { owner = candidate.owner }
    }
    return owner
  }
}
