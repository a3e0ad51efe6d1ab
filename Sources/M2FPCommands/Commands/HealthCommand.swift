import ArgumentParser
import Glibc
import M2FPCore
import M2FPFiles
import SystemPackage

/// Asks a server whether it is ready, where there is no curl: in a container.
struct HealthCommand: ExplainedCommand {
  static let examples = [
    Example("m2fp health", "is 'm2fp serve' ready on this machine?"),
    Example("m2fp health unix:/run/m2fp.sock", "and that one?"),
  ]

  static let explanation = "Exits 0 if it is, and 1 if it is not or does not answer."

  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Ask a running m2fp serve whether it takes photos.",
    discussion: discussion)

  @Argument(help: "http://HOST:PORT, HOST:PORT or unix:PATH.")
  var address = ListenAddress.standard.text

  /// Seconds until it has to have answered.
  private static let patience = 5

  func validate() throws {
    if parsed == nil {
      throw ValidationError("'\(address)' is no address: http://HOST:PORT, HOST:PORT or unix:PATH.")
    }
  }

  private var parsed: ListenAddress? {
    let bare = address.hasPrefix("http://") ? String(address.dropFirst(7)) : address
    return ListenAddress(argument: bare.hasSuffix("/") ? String(bare.dropLast()) : bare)
  }

  func run() throws {
    signal(SIGPIPE, SIG_IGN)
    guard let address = parsed?.address else { throw ExitCode(1) }
    let answer: [UInt8]
    do throws(Errno) {
      answer = try Self.ask(address)
    } catch {
      Console.writeError("m2fp: no answer: \(error.reason)\n")
      throw ExitCode(1)
    }
    guard answer.starts(with: "HTTP/1.1 200 ".utf8) else {
      let line = TerminalText.escaped(Array(answer.prefix { $0 != UInt8(ascii: "\r") }))
      Console.writeError("m2fp: not ready: \(own: line)\n")
      throw ExitCode(1)
    }
  }

  private static func ask(_ address: ServeSettings.Address) throws(Errno) -> [UInt8] {
    let socket = try connect(address)
    defer { close(socket) }
    let request = Array("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
    guard send(socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
      throw Errno.last
    }
    var answer: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while answer.count < 64 << 10 {
      let count = recv(socket, &block, block.count, 0)
      if count < 0 { throw Errno.last }
      if count == 0 { break }
      answer += block[..<count]
      if answer.contains(UInt8(ascii: "\n")) { break }
    }
    return answer
  }

  private static func connect(_ address: ServeSettings.Address) throws(Errno) -> Int32 {
    func connect(
      _ family: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t
    ) throws(Errno) -> Int32 {
      let descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      guard descriptor >= 0 else { throw Errno.last }
      var limit = timeval(tv_sec: patience, tv_usec: 0)
      for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
        setsockopt(
          descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
      }
      guard Glibc.connect(descriptor, address, length) == 0 else {
        let error = Errno.last
        close(descriptor)
        throw error
      }
      return descriptor
    }
    switch address {
    case .unix(let path):
      var name = sockaddr_un()
      name.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.bytes) }
      let result = withUnsafeBytes(of: &name) { bytes in
        Result { () throws(Errno) in
          guard let start = bytes.baseAddress else { throw .invalidArgument }
          return try connect(
            AF_UNIX, start.assumingMemoryBound(to: sockaddr.self),
            socklen_t(MemoryLayout<sockaddr_un>.size))
        }
      }
      return try result.get()
    case .host(let host, let port):
      var hints = addrinfo()
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
      var found: UnsafeMutablePointer<addrinfo>?
      // Whoever listens everywhere is here as well.
      let name = host == "0.0.0.0" || host == "::" ? "localhost" : host
      guard getaddrinfo(name, String(port), &hints, &found) == 0, let first = found else {
        throw .addressNotAvailable
      }
      defer { freeaddrinfo(found) }
      var last = Errno.addressNotAvailable
      for entry in sequence(first: first, next: { $0.pointee.ai_next }) {
        do throws(Errno) {
          return try connect(
            entry.pointee.ai_family, entry.pointee.ai_addr, entry.pointee.ai_addrlen)
        } catch {
          last = error
        }
      }
      throw last
    }
  }
}
