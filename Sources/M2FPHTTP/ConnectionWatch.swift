import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Ends connections that keep others waiting: without a request, in the middle of its head or body, or
/// without taking their answer; and those whose client has gone.
///
/// Half a connection is none: a client that closes its side has gone, too.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  /// What is waited for.
  private enum Wait {
    /// A request, or the rest of its head: the connection ends without it.
    case request
    /// The rest of a body: its reader is told.
    case body
  }

  private let timeouts: HTTPOptions.Timeouts
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
  /// Requests whose answers have not left.
  private var requests = 0
  /// Whether the last of them has not wholly come.
  private var isReceiving = false
  /// Whether the server comes to its end.
  private var isQuiescing = false
  /// Called when the client has gone.
  var onGone: (() -> Void)?

  /// Bytes a second that a client has to take.
  private static let leastRate = 1024.0
  /// What the system has of a photo is read at once.
  private static let block = FixedSizeRecvByteBufferAllocator(capacity: 1 << 16)
  /// Seconds that a request's body may take when the server comes to its end.
  private static let lastBody = 5.0

  /// The body has not come in time.
  struct BodyTimeout: Error {}

  init(_ timeouts: HTTPOptions.Timeouts) {
    self.timeouts = timeouts
  }

  func handlerAdded(context: ChannelHandlerContext) {
    try? context.channel.syncOptions?.setOption(.recvAllocator, value: Self.block)
    if context.channel.isActive { wait(for: .request, timeouts.head, context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    wait(for: .request, timeouts.head, context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    onGone?()
    onGone = nil
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

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
    let (watch, place) = (
      NIOLoopBound(self, eventLoop: loop), NIOLoopBound(context, eventLoop: loop)
    )
    timer = (
      time,
      loop.scheduleTask(deadline: time) { watch.value.timerHasRun(place.value) }
    )
  }

  private func timerHasRun(_ context: ChannelHandlerContext) {
    timer = nil
    guard let (what, deadline) = wait else { return }
    guard deadline <= .now() else { return startTimer(until: deadline, context) }
    wait = nil
    switch what {
    case .request: context.channel.close(promise: nil)
    case .body: context.pipeline.fireErrorCaught(BodyTimeout())
    }
  }

  private func waitForBody(_ context: ChannelHandlerContext) {
    wait(
      for: .body, isQuiescing ? min(timeouts.body, Self.lastBody) : timeouts.body, context)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch unwrapInboundIn(data) {
    case .head:
      requests += 1
      isReceiving = true
      // Those behind another are not read before its answer has left.
      if requests == 1 { waitForBody(context) }
    case .body: break
    case .end:
      isReceiving = false
      if requests == 1 { wait = nil }
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
    // It has left when the client has taken what was before it, which can be long after.
    let hasLeft = promise ?? context.eventLoop.makePromise()
    hasLeft.futureResult.assumeIsolated().whenSuccess { [self] in
      requests = max(0, requests - 1)
      if requests == 0 {
        wait(for: .request, timeouts.keepAlive, context)
      } else if requests == 1, isReceiving {
        waitForBody(context)
      }
    }
    context.write(data, promise: hasLeft)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    if let event = event as? ChannelEvent, event == .inputClosed {
      context.close(promise: nil)
    }
    if event is ChannelShouldQuiesceEvent {
      isQuiescing = true
      if requests == 1, isReceiving { waitForBody(context) }
    }
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable {
      writing?.cancel()
      writing = nil
    } else if writing == nil {
      waiting = .max
      stalls = 0
      let period = timeouts.write / 2
      let interval = TimeAmount.milliseconds(Int64(period * 1000))
      let (watch, channel) = (NIOLoopBound(self, eventLoop: context.eventLoop), context.channel)
      writing = context.eventLoop.scheduleRepeatedTask(
        initialDelay: interval, delay: interval
      ) { _ in
        watch.value.checkProgress(channel, period: period)
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
