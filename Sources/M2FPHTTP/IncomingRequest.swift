import HTTPTypes
import M2FPCore
import NIOCore

/// A request, whose body comes while it is being answered.
///
/// It is touched on the thread of its connection only.
final class IncomingRequest: @unchecked Sendable {
  let head: HTTPRequest
  let channel: any Channel
  /// Called when the client has gone.
  var onGone: (() -> Void)?

  private var body: [UInt8] = []
  /// Bytes that have come.
  private var count = 0
  /// Bytes after which no more are wanted.
  private var limit = IncomingRequest.unaskedLimit
  private var isDiscarded = false
  /// How the body ended; nil while it comes.
  private(set) var end: Result<Void, any Error>?
  /// Who waits for the end.
  private var reader: CheckedContinuation<Void, Never>?

  /// Bytes that are kept before anybody asks for them.
  private static let unaskedLimit = 1 << 20

  /// It is larger than it may be.
  struct TooLarge: Error {}
  /// It has not come in time.
  struct Timeout: Error {}
  /// The client has left in the middle of it.
  struct Gone: Error {}

  init(_ head: HTTPRequest, _ channel: any Channel) {
    self.head = head
    self.channel = channel
  }

  var headers: HTTPFields { head.headerFields }

  /// Whether the client will send no other on this connection.
  var isLast: Bool {
    guard let options = headers[.connection] else { return false }
    return options.lowercased().split(separator: ",").contains { $0.trimmed == "close" }
  }

  // MARK: - Who answers

  /// The whole body.
  ///
  /// - Throws: ``TooLarge``, ``Timeout``, ``Gone``, or how it breaks the rules.
  func body(upTo limit: Int, expected: Int?) async throws -> [UInt8] {
    if count <= self.limit { self.limit = limit }
    if let expected { body.reserveCapacity(min(expected, limit)) }
    check()
    await untilEnd()
    try end?.get()
    defer { body = [] }
    return body
  }

  /// Waits until the rest has come and gone, but not for long, nor for more than some bytes.
  func discard(upTo limit: Int, within time: TimeAmount) async {
    discard()
    self.limit = count + limit
    let timer = channel.eventLoop.scheduleTask(in: time) { self.finish(.failure(Timeout())) }
    await untilEnd()
    timer.cancel()
  }

  /// Lets go whatever comes from now on.
  func discard() {
    isDiscarded = true
    body = []
    limit = .max
  }

  private func untilEnd() async {
    guard end == nil else { return }
    await withCheckedContinuation { reader = $0 }
  }

  // MARK: - The connection

  func receive(_ part: ByteBuffer) {
    count += part.readableBytes
    if !isDiscarded, count <= limit { body.append(contentsOf: part.readableBytesView) }
    check()
  }

  /// Says how the body has ended.
  func finish(_ result: Result<Void, any Error>) {
    guard end == nil else { return }
    end = result
    reader?.resume()
    reader = nil
  }

  func clientHasGone() {
    finish(.failure(Gone()))
    onGone?()
    onGone = nil
  }

  private func check() {
    guard count > limit else { return }
    body = []
    finish(.failure(TooLarge()))
  }
}
