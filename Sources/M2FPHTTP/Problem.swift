import HTTPTypes
import M2FPCore
import M2FPServe

/// Why a request is not done, as RFC 9457 wants it told.
struct Problem: Error, Sendable {
  let status: Int
  /// A stable name, for programs.
  let code: String
  /// A sentence, for people.
  let detail: String
  var stage: Stage?
  /// Seconds.
  var retryAfter: Int?
  var allow: String?
  /// Whether the rest of the request is not read.
  var closes = false

  init(_ status: Int, _ code: String, _ detail: String) {
    self.status = status
    self.code = code
    self.detail = detail
  }

  private static func with(retryAfter: Int?, _ problem: Problem) -> Problem {
    var problem = problem
    problem.retryAfter = retryAfter
    return problem
  }

  init(_ rejection: Rejection) {
    let problem =
      switch rejection {
      case .starting: Problem(503, "starting", "The network is being loaded.")
      case .draining: Problem(503, "draining", "This server is about to end.")
      case .tooLarge(let limit):
        Problem(413, "file-too-large", "A photo may have \(ByteCount(limit)).")
      case .client: Problem(429, "client-limit", "Too many of your photos wait already.")
      case .queue: Problem(503, "overloaded", "As many photos wait as may.")
      case .bytes:
        Problem(503, "overloaded", "The photos that wait take all the memory there is for them.")
      case .deadline:
        Problem(503, "overloaded", "It would not be done in the time that it may take.")
      }
    self = .with(retryAfter: rejection.retryAfter, problem)
  }

  init(_ failure: FileFailure) {
    let status =
      switch failure.code {
      case .fileTooLarge, .imageTooLarge: 413
      case .unknownFormat, .unsupported: 415
      case .empty, .truncated, .corrupt: 422
      case .missing: 404
      case .outOfMemory: 503
      case .timeout: 504
      default: 500
      }
    self.init(status, failure.code.rawValue, Self.sentence(failure.message))
    stage = failure.stage
    if status == 503 { retryAfter = 5 }
  }

  private static func sentence(_ message: String) -> String {
    message.prefix(1).uppercased() + message.dropFirst() + "."
  }

  private struct Body: Encodable {
    let type = "about:blank"
    let status: Int
    let title: String
    let detail: String
    let code: String
    let stage: Stage?
    let request: String

    enum CodingKeys: String, CodingKey {
      case type, status, title, detail, code, stage
      case request = "request_id"
    }
  }

  /// Those that a problem can have, with their phrases.
  private static let statuses: [HTTPResponse.Status] = [
    .badRequest, .unauthorized, .forbidden, .notFound, .methodNotAllowed, .notAcceptable,
    .requestTimeout, .conflict, .contentTooLarge, .unsupportedMediaType, .misdirectedRequest,
    .unprocessableContent, .tooManyRequests, .internalServerError, .serviceUnavailable,
    .gatewayTimeout,
  ]

  func reply(to request: String) -> Reply {
    let code = status
    let status =
      Self.statuses.first { $0.code == code } ?? HTTPResponse.Status(code: code)
    var reply = Reply(
      status, "application/problem+json",
      Reply.json(
        Body(
          status: code, title: status.reasonPhrase, detail: detail, code: self.code, stage: stage,
          request: request)))
    if let retryAfter { reply.fields.set("Retry-After", String(retryAfter)) }
    if let allow { reply.fields.set("Allow", allow) }
    if code == 401 { reply.fields.set("WWW-Authenticate", "Bearer") }
    reply.closes = closes
    return reply
  }
}
