import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// One client's connection: has its requests answered, one after the other, and ends where it keeps others
/// waiting: without a request, in the middle of its head or body, or without taking its answer; and where
/// the client has gone.
///
/// Half a connection is none: a client that closes its side has gone, too.
final class HTTPConnection: ChannelDuplexHandler {
  typealias InboundIn = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  /// Answers a request, by writing to its channel; throws where the connection is to end.
  typealias Respond = @Sendable (IncomingRequest) async throws -> Void

  /// What is waited for.
  private enum Wait {
    /// A request, or the rest of its head: the connection ends without it.
    case request
    /// The rest of a body: its reader is told.
    case body
  }

  private let timeouts: HTTPOptions.Timeouts
  private let executor: EventLoopTaskExecutor
  private let respond: Respond

  /// The request that is being answered, until both it and its answer are over.
  private var current: IncomingRequest?
  /// Whether the rest of it is to come.
  private var isReceiving = false
  /// Whether its answer has left.
  private var isAnswered = false
  /// What has come of those behind it.
  private var next = CircularBuffer<HTTPRequestPart>()
  /// Whether more is to be read when it is over.
  private var isReadPending = false
  /// Whether what came last is no request.
  private var isBroken = false
  /// Whether the server comes to its end.
  private var isQuiescing = false

  /// What is waited for, and how long; nil while it is for us to go on.
  private var wait: (what: Wait, deadline: NIODeadline)?
  /// Looks at that, not after the deadline: it is set anew where there is time left, rather than with
  /// each request.
  private var timer: (time: NIODeadline, task: Scheduled<Void>)?
  private var writing: RepeatedTask?
  /// Bytes that waited for the client when that was last looked at.
  private var waiting = Int.max
  /// How often in a row too few of them went.
  private var stalls = 0

  /// Bytes a second that a client has to take.
  private static let leastRate = 1024.0
  /// Seconds that a request's body may take when the server comes to its end.
  private static let lastBody = 5.0

  init(
    _ timeouts: HTTPOptions.Timeouts, _ executor: EventLoopTaskExecutor, respond: @escaping Respond
  ) {
    self.timeouts = timeouts
    self.executor = executor
    self.respond = respond
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { wait(for: .request, timeouts.head, context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    wait(for: .request, timeouts.head, context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    current?.clientHasGone()
    current = nil
    next.removeAll()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  // MARK: - Requests

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let part = unwrapInboundIn(data)
    if case .head = part, current != nil {
      next.append(part)
    } else if !next.isEmpty {
      next.append(part)
    } else {
      take(part, context)
    }
  }

  /// What is behind a request is not read before its answer has left.
  func read(context: ChannelHandlerContext) {
    if current != nil, !isReceiving {
      isReadPending = true
    } else {
      context.read()
    }
  }

  private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
    switch part {
    case .head(let head):
      let request = IncomingRequest(head, context.channel)
      (current, isReceiving, isAnswered) = (request, true, false)
      waitForBody(context)
      Task(executorPreference: executor) { [respond] in
        do { try await respond(request) } catch { request.channel.close(promise: nil) }
      }
    case .body(let bytes): current?.receive(bytes)
    case .end:
      isReceiving = false
      wait = nil
      current?.finish(.success(()))
      if isAnswered { goOn(context) }
    }
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .end = unwrapOutboundIn(data), current != nil else {
      return context.write(data, promise: promise)
    }
    // It has left when the client has taken what was before it, which can be long after.
    let hasLeft = promise ?? context.eventLoop.makePromise()
    hasLeft.futureResult.assumeIsolated().whenSuccess { [self] in
      guard let current else { return }
      isAnswered = true
      if !isReceiving {
        goOn(context)
      } else if case .failure = current.end {
        context.close(promise: nil)
      } else {
        current.discard()
      }
    }
    context.write(data, promise: hasLeft)
  }

  /// Goes on with the next request.
  private func goOn(_ context: ChannelHandlerContext) {
    current = nil
    if isQuiescing || isBroken && next.isEmpty { return context.close(promise: nil) }
    wait(for: .request, timeouts.keepAlive, context)
    while let part = next.first {
      if case .head = part, current != nil { break }
      next.removeFirst()
      take(part, context)
    }
    if isReadPending, current == nil || isReceiving {
      isReadPending = false
      context.read()
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    isBroken = true
    if let current {
      current.finish(.failure(error))
    } else if error is HTTPParserError {
      let head = HTTPResponse(
        status: .badRequest, headerFields: [.connection: "close", .contentLength: "0"])
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    } else {
      context.close(promise: nil)
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    if event is ChannelShouldQuiesceEvent {
      isQuiescing = true
      if current == nil {
        context.close(promise: nil)
      } else if isReceiving {
        waitForBody(context)
      }
    }
  }

  // MARK: - Time

  private func stop() {
    wait = nil
    timer?.task.cancel()
    timer = nil
    writing?.cancel()
    writing = nil
  }

  private func wait(for what: Wait, _ seconds: Double, _ context: ChannelHandlerContext) {
    let deadline = NIODeadline.now() + .milliseconds(Int64(seconds * 1000))
    wait = (what, deadline)
    if let timer, timer.time <= deadline { return }
    timer?.task.cancel()
    startTimer(until: deadline, context)
  }

  private func startTimer(until time: NIODeadline, _ context: ChannelHandlerContext) {
    let loop = context.eventLoop
    let (connection, place) = (
      NIOLoopBound(self, eventLoop: loop), NIOLoopBound(context, eventLoop: loop)
    )
    timer = (
      time,
      loop.scheduleTask(deadline: time) { connection.value.timerHasRun(place.value) }
    )
  }

  private func timerHasRun(_ context: ChannelHandlerContext) {
    timer = nil
    guard let (what, deadline) = wait else { return }
    guard deadline <= .now() else { return startTimer(until: deadline, context) }
    wait = nil
    switch what {
    case .request: context.close(promise: nil)
    case .body:
      current?.finish(.failure(IncomingRequest.Timeout()))
      if isAnswered { context.close(promise: nil) }
    }
  }

  private func waitForBody(_ context: ChannelHandlerContext) {
    wait(
      for: .body, isQuiescing ? min(timeouts.body, Self.lastBody) : timeouts.body, context)
  }

  // MARK: - Slow readers

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      writing?.cancel()
      writing = nil
    } else if writing == nil {
      waiting = .max
      stalls = 0
      let period = timeouts.write / 2
      let interval = TimeAmount.milliseconds(Int64(period * 1000))
      let (connection, channel) = (
        NIOLoopBound(self, eventLoop: context.eventLoop), context.channel
      )
      writing = context.eventLoop.scheduleRepeatedTask(
        initialDelay: interval, delay: interval
      ) { _ in
        connection.value.checkProgress(channel, period: period)
      }
    }
    context.fireChannelWritabilityChanged()
  }

  private func checkProgress(_ channel: any Channel, period: Double) {
    let left = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    defer { waiting = left }
    let isSlow = waiting != .max && Double(waiting - left) < Self.leastRate * period
    stalls = isSlow ? stalls + 1 : 0
    if stalls >= 1 {
      stop()
      channel.close(promise: nil)
    }
  }
}
