import Dispatch
import Glibc
import Logging
import M2FP
import M2FPBatch
import M2FPCommands
import M2FPCore
import M2FPHTTP
import M2FPResults
import M2FPServe
import SystemPackage

/// The life of the server: from its start over signals to its end. It is led from the main thread.
struct Serving {
  private enum Event: Sendable {
    case signal(Int32)
    case failure(RunFailure)
    case stopped
  }

  private let settings: ServeSettings
  private let service: Service
  private let server: HTTPServer
  private let options: HTTPOptions
  private let notifier = SystemdNotifier()
  private let events = EventQueue<Event>()
  private var logger: Logger { settings.logger }

  /// How often deadlines of its life are looked at, in seconds.
  private static let tick = 0.1

  init(_ settings: ServeSettings) throws {
    self.settings = settings
    let (parser, identity) = try settings.open()
    service = Service(
      ServedModel(
        parser, identity: identity, cache: try settings.openCache(), version: settings.version),
      limits: Self.limits(settings))
    options = Self.options(settings)
    server = HTTPServer(
      service, options: options, guardian: try Self.guardian(settings), logger: settings.logger)
  }

  private static func limits(_ settings: ServeSettings) -> ServiceLimits {
    var limits = ServiceLimits()
    limits.jobs = settings.threads.jobs
    limits.threads = settings.threads.threads
    limits.cpus = settings.threads.cpus
    limits.queue = settings.queue
    limits.queueBytes = settings.queueBytes
    limits.perClient = settings.perClient
    limits.photoBytes = settings.photoBytes
    limits.deadline = settings.deadline
    limits.timeout = settings.timeout
    limits.resultTTL = settings.resultTTL
    limits.resultBytes = settings.resultBytes
    return limits
  }

  private static func options(_ settings: ServeSettings) -> HTTPOptions {
    func address(_ address: ServeSettings.Address) -> HTTPOptions.Address {
      switch address {
      case .host(let host, let port): .host(host, port: port)
      case .unix(let path): .unix(path)
      }
    }
    var options = HTTPOptions()
    options.listeners =
      settings.listeners.map { HTTPOptions.Listener(address($0)) }
      + [settings.metricsListener].compactMap(\.self).map {
        HTTPOptions.Listener(address($0), isForMetrics: true)
      }
    options.timeouts.head = settings.headTimeout
    options.timeouts.body = settings.bodyTimeout
    options.timeouts.write = settings.writeTimeout
    options.timeouts.keepAlive = settings.keepAlive
    options.connections = settings.connections
    options.hasPage = settings.hasPage
    options.hasMetrics = settings.hasMetrics
    options.font = settings.font
    options.version = settings.version
    return options
  }

  private static func guardian(_ settings: ServeSettings) throws(RunFailure) -> Guard {
    var guardian = Guard()
    guardian.hosts = settings.hosts
    guardian.origins = settings.origins
    guardian.proxies = settings.proxies.map {
      switch $0 {
      case .socket: .socket
      case .network(let network): .network(network)
      }
    }
    if let path = settings.tokenFile { guardian.tokens = try TokenList(path) }
    return guardian
  }

  /// Serves until it is told to end.
  ///
  /// - Returns: The exit code.
  /// - Throws: ``RunFailure`` where it cannot be started.
  func run() throws -> Int32 {
    signal(SIGPIPE, SIG_IGN)
    let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [events] in events.push(.signal(number)) }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    let ports = try Self.wait { [server] in try await server.start() }
    for (listener, port) in zip(options.listeners, ports) {
      let address =
        if case .host(let host, _) = listener.address {
          HTTPOptions.Address.host(host, port: port)
        } else { listener.address }
      logger.notice("listening on \(HTTPServer.text(address))")
    }
    try service.start { [events] failure in events.push(.failure(failure)) }
    var isReady = false
    while true {
      switch events.next(within: Self.tick) {
      case .signal(SIGHUP): reload()
      case .signal: return drain()
      case .failure(let failure): throw failure
      case .stopped, nil: break
      }
      notifier.beat()
      if !isReady, service.phase == .ready {
        isReady = true
        logger.notice("ready, with \(settings.threads.jobs) workers")
        notifier.send("READY=1")
      }
    }
  }

  /// Reads tokens, model, options and limits anew; where any of it cannot be read nothing changes. Where
  /// it listens, workers and timeouts of connections stay as they were at the start.
  private func reload() {
    notifier.send("RELOADING=1\nMONOTONIC_USEC=\(DispatchTime.now().uptimeNanoseconds / 1000)")
    defer { notifier.send("READY=1") }
    do {
      let settings = try settings.reread()
      let guardian = try Self.guardian(settings)
      let (parser, identity) = try settings.open()
      let old = service.model
      // Its weights are packed for one precision.
      let isSame =
        identity == old.identity && parser.options.precision == old.parser.options.precision
      // While the old one goes on.
      if !isSame { try parser.load() }
      if !isSame || parser.options != old.parser.options {
        service.serve(
          ServedModel(
            isSame ? old.parser.with(parser.options) : parser, identity: identity,
            cache: old.cache, version: old.version))
      }
      service.hold(to: Self.limits(settings))
      server.replace(guardian)
      logger.notice("read anew; the model is \(identity.name), sha256 \(identity.sha256)")
    } catch {
      logger.error("not read anew, all is as it was: \(error)")
    }
  }

  /// Ends what is in hand.
  private func drain() -> Int32 {
    logger.notice("finishing what is in hand; once more to stop at once")
    notifier.send("STOPPING=1")
    server.leave()
    var end = ContinuousClock.now + .seconds(settings.drainDelay)
    while ContinuousClock.now < end { exitIfTold() }
    service.drain()
    Task { [server, events] in
      await server.stop()
      events.push(.stopped)
    }
    end = ContinuousClock.now + .seconds(settings.drainTimeout)
    var hasStopped = false
    while !(hasStopped && service.isIdle), ContinuousClock.now < end {
      if case .stopped = exitIfTold() { hasStopped = true }
    }
    service.model.cache?.pruneStored()
    if hasStopped, service.isIdle { return 0 }
    let left = service.snapshot.admitted
    service.refuseAll()
    // Long enough for the answers to leave.
    end = ContinuousClock.now + .seconds(1)
    while !hasStopped, ContinuousClock.now < end {
      if case .stopped = exitIfTold() { hasStopped = true }
    }
    logger.error("the time to finish is up; \(left) photos were refused")
    return 75
  }

  @discardableResult
  private func exitIfTold() -> Event? {
    let event = events.next(within: Self.tick)
    if case .signal(let number)? = event, number != SIGHUP { _exit(128 + number) }
    notifier.beat()
    return event
  }

  /// Waits on this thread for what runs on others.
  private static func wait<Value: Sendable>(
    _ body: @escaping @Sendable () async throws -> Value
  ) throws -> Value {
    let done = DispatchSemaphore(value: 0)
    let result = Locked<Result<Value, any Error>?>(nil)
    Task {
      do {
        let value = try await body()
        result.withLock { $0 = .success(value) }
      } catch {
        result.withLock { $0 = .failure(error) }
      }
      done.signal()
    }
    done.wait()
    guard let result = result.withLock({ $0 }) else { preconditionFailure("it was signalled") }
    return try result.get()
  }
}

/// What other threads tell the main one.
final class EventQueue<Event: Sendable>: Sendable {
  private let events = Locked<[Event]>([])
  private let arrived = DispatchSemaphore(value: 0)

  func push(_ event: Event) {
    events.withLock { $0.append(event) }
    arrived.signal()
  }

  /// The next event; nil where none comes in time.
  func next(within seconds: Double) -> Event? {
    guard arrived.wait(timeout: .now() + seconds) == .success else { return nil }
    return events.withLock { $0.isEmpty ? nil : $0.removeFirst() }
  }
}
