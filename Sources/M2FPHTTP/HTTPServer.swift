import HummingbirdCore
import Logging
import M2FPCore
import M2FPServe
import NIOCore
import NIOPosix
import SystemPackage

/// Service behind HTTP/1.1.
package final class HTTPServer: Sendable {
  private typealias Listening = Server<HTTP1Channel>

  private let options: HTTPOptions
  private let responder: Responder
  private let group: MultiThreadedEventLoopGroup
  private let listening = Locked<[(server: Server<HTTP1Channel>, run: Task<Void, any Error>)]>([])

  /// - Parameters:
  ///   - service: What parses the photos.
  ///   - options: Where and how.
  ///   - guardian: Who may ask.
  ///   - logger: Takes a line for each request.
  package init(
    _ service: Service, options: HTTPOptions, guardian: Guard, logger: Logger
  ) {
    self.options = options
    responder = Responder(service, options, guardian, logger)
    // The answers are a few bytes or a file in memory: one thread does for all of them.
    group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
  }

  /// Lets others in from now on.
  package func replace(_ guardian: Guard) { responder.replace(guardian) }

  /// Says from now on that others are to be asked, and answers still.
  package func leave() { responder.leave() }

  /// Listens wherever the options say.
  ///
  /// - Returns: The ports, in the order of the listeners; 0 for a socket in a folder.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable`` where an address cannot be had.
  package func start() async throws(RunFailure) -> [Int] {
    var ports: [Int] = []
    for listener in options.listeners {
      do {
        ports.append(try await start(listener))
      } catch {
        await stop()
        let reason = (error as? IOError).map { Errno(rawValue: $0.errnoCode).reason } ?? "\(error)"
        throw RunFailure(
          .outputNotWritable, "cannot listen on \(Self.text(listener.address)): \(reason)")
      }
    }
    return ports
  }

  package static func text(_ address: HTTPOptions.Address) -> String {
    switch address {
    case .host(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }

  private func start(_ listener: HTTPOptions.Listener) async throws -> Int {
    let (timeouts, responder) = (options.timeouts, responder)
    let address: BindAddress =
      switch listener.address {
      case .host(let host, let port): .hostname(host, port: port)
      case .unix(let path): .unixDomainSocket(path: path.string)
      }
    // What the library has to say is said in other words, or nobody's business.
    var quiet = Logger(label: "m2fp.http") { _ in SwiftLogNoOpLogHandler() }
    quiet.logLevel = .critical
    let (bound, binding) = AsyncStream.makeStream(of: Int.self)
    let server = Server(
      childChannelSetup: HTTP1Channel(
        responder: { request, writer, channel in
          try await responder.respond(
            to: request, writer, channel, isForMetrics: listener.isForMetrics)
        },
        configuration: HTTP1Channel.Configuration(
          additionalChannelHandlers: [ConnectionWatch(timeouts)],
          httpDecoderConfiguration: .init(
            maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))),
      configuration: ServerConfiguration(
        address: address, backlog: 1024,
        availableConnectionsDelegate: MaximumAvailableConnections(options.connections)),
      onServerRunning: { channel in
        binding.yield(channel.localAddress?.port ?? 0)
        binding.finish()
      }, eventLoopGroup: group, logger: quiet)
    let run = Task {
      defer { binding.finish() }
      try await server.run()
    }
    for await port in bound {
      listening.withLock { $0.append((server, run)) }
      return port
    }
    try await run.value
    throw IOError(errnoCode: EADDRINUSE, reason: "bind")
  }

  /// Takes no further connection, ends those that are idle and waits for the others, each of which ends
  /// with the answer to its request.
  package func stop() async {
    let listening = listening.withLock { listening in
      defer { listening = [] }
      return listening
    }
    for (server, _) in listening { try? await server.shutdownGracefully() }
    for (_, run) in listening { _ = await run.result }
    for case .unix(let path) in options.listeners.map(\.address) {
      _ = path.withPlatformString { unlink($0) }
    }
  }
}
