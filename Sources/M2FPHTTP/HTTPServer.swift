import Glibc
import HummingbirdCore
import Logging
import M2FPCore
import M2FPFiles
import M2FPServe
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import NIOPosix
import SystemPackage

/// Service behind HTTP/1.1.
package final class HTTPServer: Sendable {
  private let options: HTTPOptions
  private let responder: Responder
  private let group: MultiThreadedEventLoopGroup
  /// Those that have their address, with the socket in a folder that is theirs.
  private let listening = Locked<
    [(server: Server<ConnectionSetup>, run: Task<Void, any Error>, socket: FilePath?)]
  >([])

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
    let (address, socket): (BindAddress, FilePath?) =
      switch listener.address {
      case .host(let host, let port): (.hostname(host, port: port), nil)
      case .unix(let path): (.unixDomainSocket(path: path.string), path)
      }
    if let socket { try Self.checkUnused(socket) }
    // What the library has to say is said in other words, or nobody's business.
    var quiet = Logger(label: "m2fp.http") { _ in SwiftLogNoOpLogHandler() }
    quiet.logLevel = .critical
    let (bound, binding) = AsyncStream.makeStream(of: Int.self)
    let server = Server(
      childChannelSetup: ConnectionSetup(
        timeouts: timeouts, executor: EventLoopTaskExecutor(group.any())
      ) { request in
        try await responder.respond(to: request, isForMetrics: listener.isForMetrics)
      },
      configuration: ServerConfiguration(
        address: address, backlog: 1024,
        availableConnectionsDelegate: MaximumAvailableConnections(options.connections)),
      onServerRunning: { channel in
        binding.yield(channel.localAddress?.port ?? 0)
        binding.finish()
      }, eventLoopGroup: group, logger: quiet)
    let run = Task(executorPreference: EventLoopTaskExecutor(group.any())) {
      defer { binding.finish() }
      try await server.run()
    }
    for await port in bound {
      listening.withLock { $0.append((server, run, socket)) }
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
    for (server, _, _) in listening { try? await server.shutdownGracefully() }
    for (_, run, _) in listening { _ = await run.result }
    for case (_, _, let socket?) in listening { _ = socket.withPlatformString { unlink($0) } }
  }

  /// Checks that nothing lies where a socket is to be, but one that nobody listens on: the library takes
  /// away what is a socket, or a link to one, which is right only where a server that was killed has
  /// left it.
  ///
  /// - Throws: `IOError`.
  private static func checkUnused(_ path: FilePath) throws {
    var status = stat()
    guard path.withPlatformString({ lstat($0, &status) }) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw IOError(errnoCode: EADDRINUSE, reason: "bind")
    }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
    defer { close(descriptor) }
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.bytes) }
    let result = withUnsafeBytes(of: &name) {
      connect(
        descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self),
        socklen_t(MemoryLayout<sockaddr_un>.size))
    }
    guard result != 0, errno == ECONNREFUSED else {
      throw IOError(errnoCode: EADDRINUSE, reason: "bind")
    }
  }
}

/// What stands between a socket and its requests.
private struct ConnectionSetup: ServerChildChannel {
  let timeouts: HTTPOptions.Timeouts
  let executor: EventLoopTaskExecutor
  let respond: HTTPConnection.Respond

  struct Value: ServerChildChannelValue {
    let channel: any Channel
  }

  func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
    channel.eventLoop.makeCompletedFuture {
      var limits = NIOHTTPDecoderLimitConfiguration()
      limits.maxHeaderFieldSize = 16 << 10
      limits.maxHeaderListSize = 32 << 10
      limits.maxHeaderFieldCount = 100
      let pipeline = channel.pipeline.syncOperations
      // The types of fields have checked them.
      try pipeline.configureHTTPServerPipeline(
        withPipeliningAssistance: false, withErrorHandling: false,
        withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
        withDecoderLimitConfiguration: limits)
      try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
      try pipeline.addHandler(HTTPConnection(timeouts, executor, respond: respond))
      return Value(channel: channel)
    }
  }

  /// Waits for its end.
  func handle(value: Value, logger: Logger) async {
    try? await value.channel.closeFuture.get()
  }
}
