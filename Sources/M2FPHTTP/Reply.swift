import FoundationEssentials
import HTTPTypes
import M2FPCore
import NIOCore

/// What a request is answered with.
struct Reply: Sendable {
  var status: HTTPResponse.Status
  var fields = HTTPFields()
  var body = ByteBuffer()
  /// Whether the connection ends with it.
  var closes = false

  init(_ status: HTTPResponse.Status) {
    self.status = status
  }

  init(_ status: HTTPResponse.Status = .ok, _ type: String, _ body: some Sequence<UInt8>) {
    self.status = status
    fields[.contentType] = type
    self.body = ByteBuffer(bytes: body)
  }

  /// An answer in JSON, keys sorted.
  init(_ status: HTTPResponse.Status = .ok, json value: some Encodable) {
    self.init(status, "application/json", Self.json(value))
  }

  static func json(_ value: some Encodable) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // What is encoded here holds no number that JSON has not.
    return ((try? encoder.encode(value)) ?? Data("{}".utf8)) + Data("\n".utf8)
  }

  var length: Int { body.readableBytes }
}

extension HTTPField.Name {
  // Each is checked once.
  static let cacheState = named("X-M2FP-Cache")
  static let fetchSite = named("Sec-Fetch-Site")
  static let preference = named("Prefer")
  static let requestID = named("X-Request-Id")
  static let resourcePolicy = named("Cross-Origin-Resource-Policy")
  static let serverTiming = named("Server-Timing")
  static let traceParent = named("traceparent")
  static let typeOptions = named("X-Content-Type-Options")

  private static func named(_ name: String) -> HTTPField.Name {
    guard let name = HTTPField.Name(name) else { preconditionFailure("a name is a token") }
    return name
  }
}

extension HTTPFields {
  /// Sets a field of any name.
  mutating func set(_ name: String, _ value: String) {
    guard let name = HTTPField.Name(name) else { return }
    self[name] = value
  }
}
