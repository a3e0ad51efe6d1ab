import Foundation
import Logging
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import Synchronization
import TestSupport

@testable import M2FP
@testable import M2FPBatch
@testable import M2FPHTTP
@testable import M2FPServe

/// A server on a port of its own, round a network that is not there.
final class HTTPFixture: Sendable {
  let service: Service
  let server: HTTPServer
  let port: Int
  let gate: Gate

  /// A network that waits with every photo until it is let go.
  final class Gate: Sendable {
    private let condition = NSCondition()
    nonisolated(unsafe) private var isOpen = true
    nonisolated(unsafe) private var arrived = 0

    func set(open: Bool) {
      condition.lock()
      isOpen = open
      condition.broadcast()
      condition.unlock()
    }

    func pass() {
      condition.lock()
      arrived += 1
      while !isOpen { condition.wait() }
      condition.unlock()
    }

    var count: Int {
      condition.lock()
      defer { condition.unlock() }
      return arrived
    }
  }

  init(
    cache: ResultCache? = nil, guardian: Guard = Guard(),
    limits change: (inout ServiceLimits) -> Void = { _ in },
    options configure: (inout HTTPOptions) -> Void = { _ in }
  ) async throws {
    var limits = ServiceLimits()
    limits.perClient = 0
    change(&limits)
    let gate = Gate()
    self.gate = gate
    var options = ParserOptions()
    options.outputs.masks = Set(1..<20)
    options.persons = .all
    options.outputs.personMap = false
    options.limits = ImageLimits(maxPixels: 1_000_000)
    let parser = Parser(contract: FakeSession.contract(), options: options) {
      _ throws(RunFailure) in
      FakeSession(onRun: { gate.pass() })
    }
    service = Service(
      ServedModel(
        parser, identity: ModelIdentity(name: "fake", sha256: "0"), cache: cache, version: "test"),
      limits: limits)
    var http = HTTPOptions()
    http.listeners = [.init(.host("127.0.0.1", port: 0))]
    http.version = "test"
    configure(&http)
    var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    logger.logLevel = .critical
    server = HTTPServer(service, options: http, guardian: guardian, logger: logger)
    port = try await server.start()[0]
    try service.start { _ in }
    try await eventually { self.service.phase == .ready }
  }

  func stop() async {
    gate.set(open: true)
    await server.stop()
    service.stop()
  }

  static func photo(_ number: Int = 1) throws -> Data {
    try PNGEncoder.rgb(Photo.pattern(width: 40, height: 30, factor: number * 2 + 1)).data
  }

  func request(
    _ method: String, _ path: String, _ fields: [String: String] = [:], body: Data = Data()
  ) async throws -> Answer {
    try await onOwnThread { [port] in
      let connection = try Connection(port: port)
      return try connection.request(method, path, fields, body: body)
    }
  }

  func get(_ path: String, _ fields: [String: String] = [:]) async throws -> Answer {
    try await request("GET", path, fields)
  }

  func post(
    _ path: String, _ body: Data, _ fields: [String: String] = [:]
  ) async throws -> Answer {
    try await request("POST", path, fields, body: body)
  }
}

/// What a server answered.
struct Answer: Sendable {
  let status: Int
  let fields: [String: String]
  let body: Data

  var text: String { String(decoding: body, as: UTF8.self) }

  /// A problem's code.
  var code: String? { json["code"] as? String }

  var json: [String: Any] {
    (try? JSONSerialization.jsonObject(with: body)) as? [String: Any] ?? [:]
  }

  var isPNG: Bool { body.starts(with: [0x89, 0x50, 0x4E, 0x47]) }
}

struct NoAnswer: Error {}

/// A connection, byte by byte. It blocks.
final class Connection {
  private var socket: Int32
  private var received: [UInt8] = []

  /// - Parameters:
  ///   - port: The server's.
  ///   - patience: Seconds that reading waits.
  ///   - window: Bytes that the system keeps until they are read; nil for as many as it likes.
  /// - Throws: ``NoAnswer``.
  init(port: Int, patience: Int = 30, window: Int32? = nil) throws {
    socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var window {
      setsockopt(
        socket, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(MemoryLayout<Int32>.size))
    }
    var limit = timeval(tv_sec: patience, tv_usec: 0)
    setsockopt(
      socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw NoAnswer() }
  }

  deinit { close() }

  func close() {
    if socket >= 0 { Foundation.close(socket) }
    socket = -1
  }

  func send(_ text: String) { send(Data(text.utf8)) }

  func send(_ data: Data) {
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func request(
    _ method: String, _ path: String, _ fields: [String: String] = [:], body: Data = Data()
  ) throws -> Answer {
    var head = "\(method) \(path) HTTP/1.1\r\n"
    for (name, value) in fields.merging(["Host": "localhost"], uniquingKeysWith: { own, _ in own })
    where !value.isEmpty {
      head += "\(name): \(value)\r\n"
    }
    if method == "POST" { head += "Content-Length: \(body.count)\r\n" }
    send(Data((head + "\r\n").utf8) + body)
    return try answer(hasBody: method != "HEAD")
  }

  /// Reads one answer.
  func answer(hasBody: Bool = true) throws -> Answer {
    let end = Array("\r\n\r\n".utf8)
    while Multipart.find(end, in: received, from: 0) == nil { try receive() }
    guard let headEnd = Multipart.find(end, in: received, from: 0) else { throw NoAnswer() }
    let lines = String(decoding: received[..<headEnd], as: UTF8.self).components(
      separatedBy: "\r\n")
    received.removeFirst(headEnd + 4)
    let words = lines[0].split(separator: " ")
    guard words.count > 1, let status = Int(words[1]) else { throw NoAnswer() }
    var fields: [String: String] = [:]
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: ":") else { continue }
      fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(
        in: .whitespaces)
    }
    let length = hasBody ? fields["content-length"].flatMap { Int($0) } ?? 0 : 0
    while received.count < length { try receive() }
    let body = Data(received[..<length])
    received.removeFirst(length)
    return Answer(status: status, fields: fields, body: body)
  }

  /// Whether the other side ends the connection.
  var isEnded: Bool {
    var byte: UInt8 = 0
    return recv(socket, &byte, 1, 0) <= 0 && errno != EAGAIN
  }

  func receive() throws {
    var block = [UInt8](repeating: 0, count: 65_536)
    let count = recv(socket, &block, block.count, 0)
    guard count > 0 else { throw NoAnswer() }
    received += block[..<count]
  }
}

/// Waits for what another thread is about to do.
func eventually(_ condition: () -> Bool) async throws {
  for _ in 0..<20_000 {
    if condition() { return }
    try await Task.sleep(for: .milliseconds(1))
  }
  throw NoAnswer()
}

extension Data {
  /// A form with one file, as curl sends it.
  static func form(
    _ photo: Data, filename: String = "photo.png", boundary: String = "xyz",
    fields: [(String, String)] = []
  ) -> Data {
    var body = Data()
    for (name, value) in fields {
      body += Data(
        "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8
      )
    }
    body += Data(
      """
      --\(boundary)\r
      Content-Disposition: form-data; name="photo"; filename="\(filename)"\r
      Content-Type: image/png\r
      \r\n
      """.utf8)
    return body + photo + Data("\r\n--\(boundary)--\r\n".utf8)
  }
}
