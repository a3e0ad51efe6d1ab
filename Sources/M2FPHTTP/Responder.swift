import Dispatch
import FoundationEssentials
import Glibc
import HTTPTypes
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import M2FPServe
import NIOCore
import NIOHTTPTypes

/// Answers requests. Nothing here computes or blocks on the threads that all requests share.
final class Responder: Sendable {
  private let service: Service
  private let options: HTTPOptions
  private let logger: Logger
  private let guardian: Locked<Guard>
  private let started = Date()

  init(_ service: Service, _ options: HTTPOptions, _ guardian: Guard, _ logger: Logger) {
    self.service = service
    self.options = options
    self.guardian = Locked(guardian)
    self.logger = logger
  }

  /// Lets others in from now on.
  func replace(_ guardian: Guard) { self.guardian.withLock { $0 = guardian } }

  /// Says from now on that others are to be asked.
  func leave() { isLeaving.withLock { $0 = true } }

  private let isLeaving = Locked(false)

  /// What is known of a request before its body is read.
  private struct Exchange {
    let request: IncomingRequest
    let id: String
    let path: String
    let query: [(name: String, value: String)]
    let start = ContinuousClock.now
    /// Who asks; nil over a socket in a folder.
    let address: IPAddress?
    /// Bytes of the body; nil where they are not known.
    let length: Int?
    var route: Route?
    var owner: String?
    /// Whether reading its body was begun, which can be done once.
    var isRead = false
    /// What the answer says besides.
    var fields = HTTPFields()

    init(_ request: IncomingRequest, _ guardian: Guard) {
      self.request = request
      length = request.headers[.contentLength].flatMap { Int($0) }
      address = guardian.client(request.channel.remoteAddress?.ipAddress, request.headers)
      let target = request.head.path ?? ""
      let mark = target.firstIndex(of: "?")
      path = String(target[..<(mark ?? target.endIndex)])
      query = mark.map { Self.fields(target[target.index(after: $0)...]) } ?? []
      let named = request.headers[.requestID].flatMap {
        $0.wholeMatch(of: /[A-Za-z0-9._\-]{1,64}/) == nil ? nil : $0
      }
      id = named ?? String(UInt64.random(in: .min ... .max), radix: 16)
    }

    private static func fields(_ query: Substring) -> [(name: String, value: String)] {
      query.split(separator: "&").map { pair in
        let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (decoded(parts[0]), parts.count > 1 ? decoded(parts[1]) : "")
      }
    }

    /// A name or value of a form; what is no escape stands for itself.
    private static func decoded(_ text: Substring) -> String {
      var (bytes, rest) = ([UInt8](), text.utf8)
      while let byte = rest.popFirst() {
        let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        switch byte {
        case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
        case UInt8(ascii: "%") where digits.count == 2:
          bytes.append(UInt8(digits[0] << 4 | digits[1]))
          rest.removeFirst(2)
        default: bytes.append(byte)
        }
      }
      return String(decoding: bytes, as: UTF8.self)
    }

    func value(_ name: String) -> String? { query.first { $0.name == name }?.value }

    var host: String? { request.head.authority }

    var hasBody: Bool {
      (length ?? 0) > 0 || request.headers[.transferEncoding] != nil
    }

    var elapsed: Double {
      let (seconds, attoseconds) = start.duration(to: .now).components
      return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// Whose photos count together: a token's, else an address's; of IPv6 addresses the network's.
    var client: String {
      if let owner { return "token " + owner }
      guard let address else { return "local" }
      return address.bytes.count == 4
        ? "\(address.bytes[0]).\(address.bytes[1]).\(address.bytes[2]).\(address.bytes[3])"
        : "v6 " + address.bytes.prefix(8).map { String($0, radix: 16) }.joined(separator: " ")
    }
  }

  private struct ConnectionEnds: Error {}

  // MARK: - Every request

  /// Answers one request.
  ///
  /// - Throws: Where the connection is to end.
  func respond(
    to request: IncomingRequest, isForMetrics: Bool
  ) async throws {
    var exchange = Exchange(request, guardian.withLock { $0 })
    var reply: Reply
    do throws(Problem) {
      reply = try await answer(&exchange, isForMetrics: isForMetrics)
    } catch {
      reply = error.reply(to: exchange.id)
    }
    let isPhotos = exchange.route == .parse
    service.metrics.count(
      route: exchange.route?.pattern ?? "other", method: Self.known(request.head.method.rawValue),
      code: reply.status.code, seconds: isPhotos ? exchange.elapsed : nil)
    log(exchange, reply)
    if reply.status.code == 499 { throw ConnectionEnds() }

    for field in exchange.fields { reply.fields.append(field) }
    reply.fields[.requestID] = exchange.id
    reply.fields[.typeOptions] = "nosniff"
    reply.fields[.resourcePolicy] = "same-origin"
    if reply.fields[.cacheControl] == nil { reply.fields[.cacheControl] = "no-store" }
    reply.fields[.date] = Self.date()
    if let trace = request.headers[.traceParent] { reply.fields[.traceParent] = trace }
    if reply.status.code != 204 && reply.status.code != 304 {
      reply.fields[.contentLength] = String(reply.length)
    }
    // A body that nobody reads is let pass where it is small.
    let leavesMuch =
      exchange.hasBody && !exchange.isRead && exchange.length.map { $0 > 1 << 20 } ?? true
    let closes = reply.closes || leavesMuch || request.isLast || service.phase == .draining
    if closes { reply.fields[.connection] = "close" }
    let head = HTTPResponse(status: reply.status, headerFields: reply.fields)
    // This is the channel's thread.
    let channel = request.channel
    channel.write(HTTPResponsePart.head(head), promise: nil)
    if request.head.method != .head, reply.length > 0 {
      channel.write(HTTPResponsePart.body(reply.body), promise: nil)
    }
    let written = channel.eventLoop.makePromise(of: Void.self)
    channel.writeAndFlush(HTTPResponsePart.end(nil), promise: written)
    // Nothing of the next request is read before the client takes its answer.
    if closes || !channel.isWritable { try await written.futureResult.get() }
    guard closes else { return }
    // A connection that is closed with bytes unread is reset, and the client may never see its answer.
    if request.end == nil { await request.discard(upTo: 8 << 20, within: .seconds(1)) }
    throw ConnectionEnds()
  }

  private static func known(_ method: String) -> String {
    ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"].contains(method) ? method : "other"
  }

  /// The time, as RFC 9110 writes it.
  private static func date() -> String {
    var (now, parts) = (time(nil), tm())
    gmtime_r(&now, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { text in
      guard let start = text.baseAddress else { return "" }
      // The names are those of the C locale: no program of ours sets another.
      let count = strftime(start, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      return String(decoding: UnsafeRawBufferPointer(text)[..<count], as: UTF8.self)
    }
  }

  private func log(_ exchange: Exchange, _ reply: Reply) {
    if exchange.route?.isProbe == true || exchange.route == .metrics { return }
    let seconds = (exchange.elapsed * 1000).rounded() / 1000
    let (route, code) = (exchange.route?.pattern ?? "other", reply.status.code)
    let method = Self.known(exchange.request.head.method.rawValue)
    logger.info(
      "\(method) \(route): \(code), \(reply.length) bytes in \(seconds) s",
      metadata: [
        "method": "\(method)", "route": "\(route)", "status": "\(code)",
        "bytes": "\(reply.length)", "seconds": "\(seconds)", "request_id": "\(exchange.id)",
        "client": "\(exchange.client)",
      ])
  }

  private func answer(
    _ exchange: inout Exchange, isForMetrics: Bool
  ) async throws(Problem) -> Reply {
    let request = exchange.request
    let guardian = guardian.withLock { $0 }
    guard exchange.path.utf8.first == UInt8(ascii: "/") else {
      throw Problem(400, "bad-request", "The request's target is no path.")
    }
    guard let route = Route(exchange.path) else {
      throw Problem(404, "not-found", "There is nothing here.")
    }
    exchange.route = route
    let isHere =
      switch route {
      case .metrics: options.hasMetrics || isForMetrics
      case .page: options.hasPage && !isForMetrics
      case .live, .ready, .health: true
      default: !isForMetrics
      }
    guard isHere else { throw Problem(404, "not-found", "There is nothing here.") }
    try guardian.check(host: exchange.host)
    let origin = try guardian.check(origin: request.headers, host: exchange.host)
    if let origin {
      exchange.fields.set("Access-Control-Allow-Origin", origin)
      exchange.fields.set("Vary", "Origin")
      exchange.fields.set(
        "Access-Control-Expose-Headers", "ETag, Location, Retry-After, Server-Timing, X-M2FP-Cache")
    }
    if request.head.method == .options, origin != nil {
      var reply = Reply(.noContent)
      reply.fields.set("Access-Control-Allow-Methods", route.methods.joined(separator: ", "))
      reply.fields.set("Access-Control-Allow-Headers", "Authorization, Content-Type, Prefer")
      return reply
    }
    guard route.methods.contains(request.head.method.rawValue) else {
      var problem = Problem(405, "method", "This takes \(route.methods.joined(separator: ", ")).")
      problem.allow = route.methods.joined(separator: ", ")
      throw problem
    }
    if !route.isOpen, !isForMetrics { exchange.owner = try guardian.owner(request.headers) }
    switch route {
    case .parse:
      let prefersJob = request.headers[.preference].map { $0.contains("respond-async") } ?? false
      return try await receive(&exchange, asJob: prefersJob)
    case .jobs: return try await receive(&exchange, asJob: true)
    case .job(let id): return try await job(id, exchange)
    case .jobResult(let id): return try await jobResult(id, exchange)
    case .result(let digest): return try await result(digest, exchange)
    case .model: return Reply(json: ModelAnswer(service))
    case .status: return Reply(json: StatusAnswer(service.snapshot))
    case .live:
      return service.isStuck
        ? Reply(.internalServerError, "text/plain", "workers hang\n".utf8)
        : Reply(.ok, "text/plain", "ok\n".utf8)
    case .ready: return ready(exchange)
    case .health:
      let isHealthy = service.phase == .ready && !service.isStuck
      return Reply(
        isHealthy ? .ok : .serviceUnavailable,
        json: HealthAnswer(
          status: isHealthy ? "healthy" : service.phase.rawValue,
          isLoaded: service.phase != .starting))
    case .metrics:
      return Reply(.ok, "text/plain; version=0.0.4; charset=utf-8", metrics().utf8)
    case .specification:
      return Reply(.ok, "application/json", PackageResources.openapi_json)
    case .page(let name):
      let file = Page.files[name] ?? ("text/plain", [])
      var reply = Reply(.ok, file.type, file.bytes)
      reply.fields.set("Content-Security-Policy", Page.policy)
      reply.fields.set("Referrer-Policy", "no-referrer")
      reply.fields[.cacheControl] = "no-cache"
      return reply
    }
  }

  private func ready(_ exchange: Exchange) -> Reply {
    let snapshot = service.snapshot
    let isLeaving = isLeaving.withLock { $0 }
    if snapshot.phase != .ready || isLeaving {
      let phase = isLeaving ? Service.Phase.draining : snapshot.phase
      var reply = Reply(.serviceUnavailable, "text/plain", (phase.rawValue + "\n").utf8)
      reply.fields.set("Retry-After", "2")
      return reply
    }
    if exchange.value("free") != nil, snapshot.isFull {
      return Reply(.serviceUnavailable, "text/plain", "full\n".utf8)
    }
    return Reply(.ok, "text/plain", "ok\n".utf8)
  }

  // MARK: - Photos

  private func receive(
    _ exchange: inout Exchange, asJob: Bool
  ) async throws(Problem) -> Reply {
    let request = exchange.request
    let coding = request.headers[.contentEncoding] ?? "identity"
    guard coding.lowercased() == "identity" else {
      throw Problem(
        415, "content-encoding", "Photos are taken as they are, not as \(coding.prefix(20)).")
    }
    let model = service.model
    let accept = request.headers[.accept]
    let asked = try PhotoOptions(exchange.query, of: model, font: options.font, accept: accept)
    let deadline = min(asked.deadline ?? .infinity, asJob ? .infinity : service.limits.deadline)
    let ticket: Ticket
    do throws(Rejection) {
      ticket = try service.admit(
        client: exchange.client, size: exchange.length,
        deadline: deadline.isFinite ? deadline : nil)
    } catch {
      var problem = Problem(error)
      problem.closes = exchange.length == nil
      throw problem
    }
    let body: [UInt8]
    do throws(Problem) {
      body = try await read(&exchange)
    } catch {
      service.giveUp(ticket, as: error.status == 499 ? .cancelled : .failed)
      throw error
    }
    let seconds = exchange.elapsed
    service.metrics.add(seconds, stage: "body")
    let photo: (bytes: [UInt8], options: PhotoOptions)
    do throws(Problem) {
      let (query, type, font) = (
        exchange.query, request.headers[.contentType] ?? "", options.font
      )
      let read = { @Sendable () throws(Problem) in
        try Self.photo(
          body, type: type, query: query, asked, model: model, font: font, accept: accept)
      }
      photo = if Self.isQuicklyRead(body) { try read() } else { try await Self.elsewhere(read) }
    } catch {
      service.giveUp(ticket, as: .failed)
      throw error
    }
    let limit = photo.options.deadline ?? (asJob ? nil : service.limits.deadline)
    let job = service.submit(
      photo.bytes, for: model.request(photo.options.parsing), ticket: ticket, owner: exchange.owner,
      isKept: asJob, deadline: asJob ? limit : min(limit ?? .infinity, service.limits.deadline),
      note: photo.options)
    if asJob { return answer(of: job, status: .accepted) }
    request.onGone = { [service] in service.cancel(job) }
    if !request.channel.isActive { service.cancel(job) }
    let outcome = await service.outcome(of: job)
    request.onGone = nil
    return try await Self.reply(
      outcome, photo.options, exchange, body: seconds, queued: service.status(of: job).queued)
  }

  /// Reads the body, or says why not.
  private func read(_ exchange: inout Exchange) async throws(Problem) -> [UInt8] {
    let gone = Problem(499, "gone", "The client has gone.")
    if exchange.request.headers[.expect]?.lowercased() == "100-continue" {
      do {
        let head = HTTPResponse(status: .continue)
        try await exchange.request.channel.writeAndFlush(HTTPResponsePart.head(head))
      } catch {
        throw gone
      }
    }
    exchange.isRead = true
    let (limit, length) = (service.limits.photoBytes, exchange.length)
    let bytes: [UInt8]
    do {
      bytes = try await exchange.request.body(upTo: limit, expected: length)
    } catch is IncomingRequest.TooLarge {
      var problem = Problem(.tooLarge(limit: limit))
      problem.closes = true
      throw problem
    } catch is IncomingRequest.Timeout {
      var problem = Problem(408, "body-timeout", "The photo did not come in time.")
      problem.closes = true
      throw problem
    } catch {
      throw gone
    }
    guard exchange.request.channel.isActive else { throw gone }
    return bytes
  }

  /// Does what takes more than a moment on a thread that nobody waits for.
  private static func elsewhere<Result: Sendable>(
    _ body: @escaping @Sendable () throws(Problem) -> Result
  ) async throws(Problem) -> Result {
    let result = await withCheckedContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(returning: Swift.Result { () throws(Problem) in try body() })
      }
    }
    return try result.get()
  }

  /// Whether it takes no more than a moment to see what a body is: a JPEG or PNG that is no larger than what can
  /// be looked through in one, by which no library is opened.
  private static func isQuicklyRead(_ body: [UInt8]) -> Bool {
    body.count <= 1 << 20 && (body.starts(with: [0xFF, 0xD8]) || body.first == 0x89)
  }

  /// Bytes of an option in a form: more than the names of all classes have.
  private static let optionLimit = 16 << 10

  /// The photo in a body, and what is asked of it.
  private static func photo(
    _ body: [UInt8], type: String, query: [(name: String, value: String)], _ asked: PhotoOptions,
    model: ServedModel, font: Font?, accept: String?
  ) throws(Problem) -> (bytes: [UInt8], options: PhotoOptions) {
    var (bytes, fields, isForm) = (body, query, false)
    let isMultipart = type.prefix("multipart/".count).lowercased() == "multipart/"
    if isMultipart, let boundary = Multipart.boundary(type) {
      let parts = try Self.parts(body, boundary)
      let files = parts.filter { $0.filename != nil }
      guard let file = files.first else {
        throw Problem(400, "no-photo", "The form has no file.")
      }
      guard files.count == 1 else {
        throw Problem(
          400, "several-photos", "The form has \(files.count) files: send one at a time.")
      }
      isForm = true
      bytes = Array(body[file.range])
      for part in parts where part.filename == nil {
        guard part.range.count <= optionLimit else {
          throw Problem(
            400, "bad-request",
            "The option '\((part.name ?? "").prefix(40))' is longer than \(optionLimit) bytes.")
        }
        fields.append((part.name ?? "", String(decoding: body[part.range], as: UTF8.self)))
      }
      if !fields.contains(where: { $0.name == "name" }), let name = file.filename {
        fields.append(("name", name))
      }
    } else if isMultipart {
      throw Problem(400, "bad-multipart", "The form's type names no boundary.")
    }
    if bytes.isEmpty { throw Problem(422, "empty", "There is no photo in the request.") }
    do throws(FileFailure) {
      try ImageDecoder.check(bytes, limits: model.parser.options.limits)
    } catch {
      throw Problem(error)
    }
    return (
      bytes, isForm ? try PhotoOptions(fields, of: model, font: font, accept: accept) : asked
    )
  }

  private static func parts(
    _ body: [UInt8], _ boundary: String
  ) throws(Problem) -> [Multipart.Part] {
    do throws(Multipart.Malformed) {
      return try Multipart.parts(body, boundary: boundary)
    } catch {
      throw Problem(400, "bad-multipart", "The form cannot be read: \(error.reason).")
    }
  }

  private static func reply(
    _ outcome: JobOutcome, _ options: PhotoOptions, _ exchange: Exchange, body: Double? = nil,
    queued: Double? = nil
  ) async throws(Problem) -> Reply {
    switch outcome {
    case .failed(let failure): throw Problem(failure)
    case .expired: throw Problem(504, "deadline", "It was not done in time.")
    case .cancelled: throw Problem(499, "gone", "The client has gone.")
    case .refused(let rejection): throw Problem(rejection)
    case .done(let result, let source):
      let tag = "\"\(result.key)-\(options.output.name)\""
      if exchange.request.headers[.ifNoneMatch] == tag {
        var reply = Reply(.notModified)
        reply.fields[.eTag] = tag
        return reply
      }
      let (output, name) = (options.output, options.name)
      let sent =
        if output.isOneFile { try Representation(output, of: result, name: name) } else {
          try await elsewhere { () throws(Problem) in
            try Representation(output, of: result, name: name)
          }
        }
      var reply = Reply(.ok, sent.type, sent.body)
      reply.fields[.eTag] = tag
      reply.fields[.cacheState] = source.rawValue
      reply.fields[.serverTiming] = timing(result.times, source, body, queued)
      if let filename = sent.filename {
        let kind = options.output == .zip ? "attachment" : "inline"
        reply.fields[.contentDisposition] = "\(kind); filename=\"\(filename)\""
      }
      return reply
    }
  }

  private static func timing(
    _ times: StageTimes, _ source: JobOutcome.Source, _ body: Double?, _ queued: Double?
  ) -> String {
    var text = ""
    text.reserveCapacity(160)
    func add(_ name: String, _ seconds: Double) {
      // Milliseconds with two digits behind the point.
      let hundredths = Int((seconds * 100_000).rounded())
      let digits = hundredths % 100
      if !text.isEmpty { text += ", " }
      text += name
      text += ";dur="
      text += String(hundredths / 100)
      text += digits < 10 ? ".0" : "."
      text += String(digits)
    }
    if let body { add("body", body) }
    if let queued { add("queue", queued) }
    if source == .parsed {
      for stage in Stage.allCases {
        if let seconds = times.seconds[stage] { add(stage.rawValue, seconds) }
      }
    }
    return text
  }

  // MARK: - Jobs

  private func answer(of job: Job, status code: HTTPResponse.Status = .ok) -> Reply {
    let status = service.status(of: job)
    var reply = Reply(code, json: JobAnswer(status))
    if code == .accepted { reply.fields.set("Location", "/v1/jobs/\(job.id)") }
    if status.outcome == nil {
      reply.fields.set("Retry-After", String(max(1, Int((status.estimate ?? 1).rounded(.up)))))
    }
    return reply
  }

  private func find(_ id: String, _ exchange: Exchange) throws(Problem) -> Job {
    guard let job = service.job(id, owner: exchange.owner) else {
      throw Problem(404, "not-found", "There is no such job, or no longer.")
    }
    return job
  }

  private func job(_ id: String, _ exchange: Exchange) async throws(Problem) -> Reply {
    let job = try find(id, exchange)
    if exchange.request.head.method == .delete {
      service.cancel(job)
      return Reply(.noContent)
    }
    if let wait = exchange.value("wait") {
      guard let seconds = Double(wait), seconds >= 0 else {
        throw Problem(400, "bad-request", "wait is a number of seconds.")
      }
      await service.change(
        of: job, from: service.status(of: job).state, within: min(seconds, 30))
    }
    return answer(of: job)
  }

  private func jobResult(_ id: String, _ exchange: Exchange) async throws(Problem) -> Reply {
    let job = try find(id, exchange)
    guard let outcome = service.status(of: job).outcome else {
      var problem = Problem(409, "not-done", "It is not done yet.")
      problem.retryAfter = max(1, Int((service.status(of: job).estimate ?? 1).rounded(.up)))
      throw problem
    }
    guard var asked = job.note as? PhotoOptions else {
      preconditionFailure("every job of ours has options")
    }
    if let output = exchange.value("output") {
      asked.output = try Output(output)
    } else if !asked.namesOutput {
      asked.output = try Output(accept: exchange.request.headers[.accept])
    }
    let reply = try await Self.reply(outcome, asked, exchange)
    service.noteFetched(job)
    return reply
  }

  private func result(_ digest: String, _ exchange: Exchange) async throws(Problem) -> Reply {
    guard digest.wholeMatch(of: /[0-9a-f]{64}/) != nil else {
      throw Problem(404, "not-found", "This is no SHA-256: 64 hexadecimal digits in lower case.")
    }
    let model = service.model
    let asked = try PhotoOptions(
      exchange.query, of: model, font: options.font, accept: exchange.request.headers[.accept])
    guard
      let result = await service.result(digest: digest, for: model.request(asked.parsing))
    else { throw Problem(404, "not-found", "This photo has not been parsed so, or not lately.") }
    return try await Self.reply(.done(result, .cached), asked, exchange)
  }

  // MARK: - Metrics

  private func metrics() -> String {
    var text = PrometheusText()
    service.metrics.write(into: &text)
    let (now, limits, model) = (service.snapshot, service.limits, service.model)
    text.gauge("m2fp_ready", "Whether photos are taken on.", now.phase == .ready ? 1 : 0)
    text.gauge(
      "m2fp_draining", "Whether the server is about to end.", now.phase == .draining ? 1 : 0)
    text.gauge("m2fp_workers", "Workers.", Double(limits.jobs))
    text.gauge(
      "m2fp_workers_busy", "Workers with a photo.", Double(now.workers.count(where: \.isBusy)))
    text.gauge("m2fp_queue_photos", "Photos that wait for a worker.", Double(now.waiting))
    text.gauge("m2fp_queue_limit", "Photos that may wait.", Double(limits.queue))
    text.gauge("m2fp_queue_bytes", "Bytes of the photos in memory.", Double(now.bytes))
    text.gauge("m2fp_queue_bytes_limit", "Bytes that they may have.", Double(limits.queueBytes))
    text.gauge(
      "m2fp_estimated_wait_seconds", "Time until a photo that comes now is taken up.",
      now.estimatedWait)
    text.gauge(
      "m2fp_jobs", "Jobs that can be asked for.",
      Job.State.allCases.map { ([("state", $0.rawValue)], Double(now.jobs[$0] ?? 0)) })
    text.gauge("m2fp_results_bytes", "Bytes of finished jobs' results.", Double(now.resultBytes))
    text.gauge("m2fp_build_info", "The version that runs.", [([("version", options.version)], 1)])
    text.gauge(
      "m2fp_model_info", "The model that photos are parsed with.",
      [([("name", model.identity.name), ("sha256", model.identity.sha256)], 1)])
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds = [usage.ru_utime, usage.ru_stime].reduce(0.0) {
      $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6
    }
    text.metric(
      "process_cpu_seconds_total", "CPU time of the process.", .counter, [([], seconds)])
    text.gauge(
      "process_resident_memory_bytes", "Resident memory.", Double(ProcessMemory.resident()))
    text.gauge(
      "process_start_time_seconds", "When the process was started.",
      started.timeIntervalSince1970)
    let files = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
    text.gauge("process_open_fds", "Open descriptors.", Double(files))
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    text.gauge("process_max_fds", "Descriptors that may be open.", Double(limit.rlim_cur))
    return text.text
  }
}
