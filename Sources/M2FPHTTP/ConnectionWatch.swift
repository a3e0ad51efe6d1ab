import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Ends connections that keep others waiting: without a request, in the middle of its head, or without
/// taking their answer; and those whose client has gone.
///
/// Half a connection is none: a client that closes its side has gone, too.
final class ConnectionWatch: ChannelDuplexHandler, RemovableChannelHandler {
  typealias InboundIn = HTTPRequestPart
  typealias InboundOut = HTTPRequestPart
  typealias OutboundIn = HTTPResponsePart
  typealias OutboundOut = HTTPResponsePart

  private let timeouts: HTTPOptions.Timeouts
  private var timer: Scheduled<Void>?
  private var writing: RepeatedTask?
  /// Bytes that waited for the client when that was last looked at.
  private var waiting = Int.max
  /// How often in a row too few of them went.
  private var stalls = 0

  /// Bytes a second that a client has to take.
  private static let leastRate = 1024.0

  init(_ timeouts: HTTPOptions.Timeouts) {
    self.timeouts = timeouts
  }

  func handlerAdded(context: ChannelHandlerContext) {
    if context.channel.isActive { wait(timeouts.head, context) }
  }

  func channelActive(context: ChannelHandlerContext) {
    wait(timeouts.head, context)
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    stop()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) { stop() }

  private func stop() {
    timer?.cancel()
    timer = nil
    writing?.cancel()
    writing = nil
  }

  /// Ends the connection unless a request has come by then.
  private func wait(_ seconds: Double, _ context: ChannelHandlerContext) {
    timer?.cancel()
    let channel = context.channel
    timer = context.eventLoop.scheduleTask(in: .milliseconds(Int64(seconds * 1000))) {
      channel.close(promise: nil)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if case .head = unwrapInboundIn(data) {
      timer?.cancel()
      timer = nil
    }
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    if case .end = unwrapOutboundIn(data) { wait(timeouts.keepAlive, context) }
    context.write(data, promise: promise)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    context.fireUserInboundEventTriggered(event)
    if let event = event as? ChannelEvent, event == .inputClosed {
      context.close(promise: nil)
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
