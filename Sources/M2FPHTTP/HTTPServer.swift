import Glibc
import Logging
import M2FPCore
import M2FPFiles
import M2FPServe
import NIOCore
import NIOExtras
import NIOHTTP1
import NIOHTTPTypesHTTP1
import NIOPosix
import SystemPackage

/// Service behind HTTP/1.1.
package final class HTTPServer: Sendable {
  private let options: HTTPOptions
  private let responder: Responder
  private let group: MultiThreadedEventLoopGroup
  /// What the system has of a photo is read at once.
  private static let block = FixedSizeRecvByteBufferAllocator(capacity: 1 << 16)
  /// Those that have their address, with the socket in a folder that is theirs.
  private let listening = Locked<
    [(connections: ServerQuiescingHelper, socket: FilePath?)]
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
    let connections = ServerQuiescingHelper(group: group)
    let (timeouts, most, responder) = (options.timeouts, options.connections, responder)
    let executor = EventLoopTaskExecutor(group.any())
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 1024)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      // One at a time, as several could be more than there may be.
      .serverChannelOption(.maxMessagesPerRead, value: 1)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          try pipeline.addHandler(ConnectionLimit(most))
          try pipeline.addHandler(connections.makeServerChannelHandler(channel: channel))
        }
      }
      .childChannelOption(.recvAllocator, value: Self.block)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let connection = HTTPConnection(timeouts, executor) { request in
            try await responder.respond(to: request, isForMetrics: listener.isForMetrics)
          }
          try Self.addHandlers(for: connection, to: channel.pipeline.syncOperations)
        }
      }
    switch listener.address {
    case .host(let host, let port):
      let channel = try await bootstrap.bind(host: host, port: port).get()
      listening.withLock { $0.append((connections, nil)) }
      return channel.localAddress?.port ?? 0
    case .unix(let path):
      try Self.checkUnused(path)
      _ = try await bootstrap.bind(
        unixDomainSocketPath: path.string, cleanupExistingSocketFile: true
      ).get()
      listening.withLock { $0.append((connections, path)) }
      return 0
    }
  }

  /// Puts what stands between a socket and its requests in front of a connection's handler.
  private static func addHandlers(
    for connection: HTTPConnection, to pipeline: ChannelPipeline.SynchronousOperations
  ) throws {
    var limits = NIOHTTPDecoderLimitConfiguration()
    limits.maxHeaderFieldSize = 16 << 10
    limits.maxHeaderListSize = 32 << 10
    limits.maxHeaderFieldCount = 100
    // The types of fields have checked them.
    try pipeline.configureHTTPServerPipeline(
      withPipeliningAssistance: false, withErrorHandling: false,
      withOutboundHeaderValidation: false, withEncoderConfiguration: .init(),
      withDecoderLimitConfiguration: limits)
    try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
    try pipeline.addHandler(connection)
  }

  /// Takes no further connection, ends those that are idle and waits for the others, each of which ends
  /// with the answer to its request.
  package func stop() async {
    let listening = listening.withLock { listening in
      defer { listening = [] }
      return listening
    }
    let ends = listening.map { connections, _ in
      let end = group.next().makePromise(of: Void.self)
      connections.initiateShutdown(promise: end)
      return end.futureResult
    }
    for end in ends { try? await end.get() }
    for case (_, let socket?) in listening { _ = socket.withPlatformString { unlink($0) } }
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

/// Accepts no connection while there are as many as there may be: others wait in the system's queue.
private final class ConnectionLimit: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias OutboundIn = Never

  private let most: Int
  private var count = 0
  private var isReadPending = false

  init(_ most: Int) {
    self.most = most
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    count += 1
    // Its event loop is the only one.
    unwrapInboundIn(data).closeFuture.assumeIsolated().whenComplete { [self] _ in
      count -= 1
      guard isReadPending else { return }
      isReadPending = false
      read(context: context)
    }
    context.fireChannelRead(data)
  }

  func read(context: ChannelHandlerContext) {
    if count < most {
      context.read()
    } else {
      isReadPending = true
    }
  }
}
