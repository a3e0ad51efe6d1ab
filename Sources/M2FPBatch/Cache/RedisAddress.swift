import FoundationEssentials

/// Where a Redis server is: `redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE]`.
public struct RedisAddress: Sendable, Equatable {
  public let host: String
  public let port: Int
  public let user: String?
  public let password: String?
  public let database: Int

  /// - Returns: Nil for what is no such address.
  public init?(_ text: String) {
    guard let parts = URLComponents(string: text), parts.scheme == "redis",
      parts.query == nil, parts.fragment == nil, var host = parts.host, !host.isEmpty,
      // What C takes to end there would be another host.
      !host.utf8.contains(0)
    else { return nil }
    // Of [::1] what is in the brackets.
    if host.utf8.first == UInt8(ascii: "[") { host = String(host.dropFirst().dropLast()) }
    let path = parts.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    guard path.count <= 1, let database = Int(path.first.flatMap { $0.isEmpty ? nil : $0 } ?? "0"),
      database >= 0
    else { return nil }
    let port = parts.port ?? 6379
    guard (1...65535).contains(port) else { return nil }
    self.host = host
    self.port = port
    self.database = database
    // As Redis's own tools take it, one name alone is the password.
    let user = parts.user.flatMap { $0.isEmpty ? nil : $0 }
    self.user = parts.password == nil ? nil : user
    password = parts.password ?? user
  }
}

extension RedisAddress: CustomStringConvertible {
  /// Without the password.
  public var description: String {
    "redis://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
  }
}
