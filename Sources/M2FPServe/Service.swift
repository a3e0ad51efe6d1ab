import Dispatch
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles

/// Parses photos of many clients on a fixed number of workers, in turn, each photo once.
///
/// A photo takes this way: it is admitted (``admit(client:size:deadline:)``) before its bytes are read,
/// and submitted with them; one thread digests it and looks whether the cache has it or it is in hand
/// already (without a cache, whoever submits a small one does so); else it waits in its client's line for a
/// worker, which decodes it, runs the network and makes the outputs.
/// Nothing here blocks the caller but for a moment under the lock.
package final class Service: Sendable {
  package enum Phase: String, Sendable {
    /// The network is being loaded.
    case starting
    case ready
    /// No photo is taken on any more.
    case draining
  }

  /// A worker, seen from outside.
  private final class Member: Sendable {
    let number: Int
    // Touched only under the lock.
    nonisolated(unsafe) var thread: WorkerThread?
    nonisolated(unsafe) var flight: Flight?
    nonisolated(unsafe) var since = 0.0
    nonisolated(unsafe) var isReady = false
    nonisolated(unsafe) var isGivenUp = false

    init(_ number: Int) { self.number = number }
  }

  private enum Arrival {
    case photo(Job, [UInt8], PhotoRequest)
    case question(String, PhotoRequest, CheckedContinuation<PhotoResult?, Never>)
  }

  private struct State {
    var limits: ServiceLimits
    var phase = Phase.starting
    var isStopped = false
    var model: ServedModel
    var admission: Admission
    var estimator = Estimator()
    var arrivals: [Arrival] = []
    var queue = FairQueue<Flight>()
    var waiting = 0
    /// Those that others can join, by key.
    var flights: [String: Flight] = [:]
    /// Jobs that are not over.
    var jobs: [ObjectIdentifier: Job] = [:]
    var kept: JobStore
    var members: [Member] = []
    var givenUp = 0
    var receiver: WorkerThread?
    var timer: (any DispatchSourceTimer)?
    /// Whether it runs; not where there has been nothing to look after for a while.
    var isTicking = false
    /// When there last was.
    var lastWork = 0.0
    var onFailure: (@Sendable (RunFailure) -> Void)?
  }

  /// Bytes that are digested in a tenth of a millisecond, or not much more.
  private static let quickBytes = 128 << 10

  /// Between two looks at deadlines.
  private static let period = DispatchTimeInterval.milliseconds(50)
  /// Seconds without work after which they are not looked at any more. To start again costs a photo some time.
  private static let rest = 10.0

  /// How many workers may hang before it is plain that the machine does.
  private static let givenUpLimit = 32

  package let metrics = ServiceMetrics()
  private let clock: ServiceClock
  /// Waited for by workers; its lock is that of all state.
  private let condition: Condition
  /// Waited for by the receiver.
  private let arrival: Condition
  nonisolated(unsafe) private var state: State

  package init(
    _ model: ServedModel, limits: ServiceLimits, clock: ServiceClock = .system
  ) {
    self.clock = clock
    condition = Condition()
    arrival = Condition(of: condition)
    state = State(
      limits: limits, model: model, admission: Admission(limits), kept: JobStore(limits))
  }

  /// What is done when the lock is given back: nobody is resumed or woken under it, to wait for it at once.
  private typealias Later = [() -> Void]

  private func locked<Result, Failure>(
    _ body: (inout State, inout Later) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var later: Later = []
    condition.lock()
    let result: Swift.Result<Result, Failure>
    do throws(Failure) {
      result = .success(try body(&state, &later))
    } catch {
      result = .failure(error)
    }
    condition.unlock()
    for action in later { action() }
    return try result.get()
  }

  // MARK: - Life

  /// Starts the threads. The service is ready when each worker has loaded the network and run it once.
  ///
  /// - Parameters:
  ///   - isTicking: Whether deadlines are looked after; otherwise ``tick()`` is to be called.
  ///   - onFailure: Called when the network cannot be loaded.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` where threads cannot be started.
  package func start(
    isTicking: Bool = true, onFailure: @escaping @Sendable (RunFailure) -> Void
  ) throws(RunFailure) {
    let receiver = try WorkerThread { self.receive() }
    let members = locked { state, _ in
      state.receiver = receiver
      state.onFailure = onFailure
      state.members = (0..<state.limits.jobs).map { Member($0) }
      return state.members
    }
    for member in members { try start(member) }
    guard isTicking else { return }
    let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "m2fp.service"))
    timer.setEventHandler { [weak self] in
      self?.tick()
      self?.restIfIdle()
    }
    timer.resume()
    locked { state, _ in
      state.timer = timer
      tickOn(&state)
    }
  }

  /// Whether deadlines are looked after, or there has been nothing to do for a while.
  var isTicking: Bool { locked { state, _ in state.isTicking } }

  private func tickOn(_ state: inout State) {
    guard !state.isTicking, let timer = state.timer else { return }
    state.isTicking = true
    state.lastWork = clock.now()
    timer.schedule(deadline: .now() + Self.period, repeating: Self.period)
  }

  private func restIfIdle() {
    locked { state, _ in
      let now = clock.now()
      let isIdle =
        state.jobs.isEmpty && state.kept.count == 0 && state.members.allSatisfy { $0.flight == nil }
      if !isIdle { state.lastWork = now }
      guard now - state.lastWork > Self.rest else { return }
      state.isTicking = false
      state.timer?.schedule(deadline: .distantFuture)
    }
  }

  private func start(_ member: Member) throws(RunFailure) {
    let cpus = locked { state, _ in state.limits.cpus?[member.number] }
    let thread = try WorkerThread(cpus: cpus) { self.work(member) }
    locked { _, _ in member.thread = thread }
  }

  package var phase: Phase { locked { state, _ in state.phase } }

  /// Whether so many workers hang that only a new process helps.
  package var isStuck: Bool { locked { state, _ in state.givenUp >= Self.givenUpLimit } }

  /// Takes on no further photo.
  package func drain() { locked { state, _ in state.phase = .draining } }

  /// Whether nothing is in hand, and nobody waits.
  package var isIdle: Bool { locked { state, _ in state.admission.photos == 0 } }

  /// Answers all who still wait that it will not be done.
  package func refuseAll() {
    locked { state, later in
      for job in Array(state.jobs.values) { finish(job, .refused(.draining), &state, &later) }
    }
  }

  /// Ends the threads as soon as they have nothing in hand, and does not wait for that.
  package func stop() {
    locked { state, _ in
      state.isStopped = true
      state.timer?.cancel()
      for thread in [state.receiver] + state.members.map(\.thread) { thread?.detach() }
      state.receiver = nil
      for member in state.members { member.thread = nil }
      condition.broadcast()
      arrival.broadcast()
    }
  }

  package var limits: ServiceLimits { locked { state, _ in state.limits } }

  /// Holds to other limits from now on; what was taken on before stays. The workers stay as they are.
  package func hold(to limits: ServiceLimits) {
    locked { state, _ in
      var limits = limits
      (limits.jobs, limits.threads) = (state.limits.jobs, state.limits.threads)
      limits.cpus = state.limits.cpus
      state.limits = limits
      state.admission.limits = limits
      state.kept.limits = limits
    }
  }

  /// The network that photos are parsed with.
  package var model: ServedModel { locked { state, _ in state.model } }

  /// Parses from now on with another network: photos that were submitted before are still parsed with
  /// the one that they were submitted for.
  package func serve(_ model: ServedModel) { locked { state, _ in state.model = model } }

  // MARK: - Clients

  /// Takes a photo on before its bytes are read.
  ///
  /// - Parameters:
  ///   - client: Whose it is.
  ///   - size: Its bytes; nil where that is not known.
  ///   - deadline: Seconds that it may take; nil for any time.
  /// - Returns: Its place, which is to be given to ``submit(_:for:ticket:owner:isKept:deadline:)`` or
  ///   ``giveUp(_:as:)``.
  /// - Throws: ``Rejection``.
  package func admit(client: String, size: Int?, deadline: Double?) throws(Rejection) -> Ticket {
    do throws(Rejection) {
      return try locked { (state, _) throws(Rejection) in
        switch state.phase {
        case .starting: throw .starting
        case .draining: throw .draining
        case .ready: break
        }
        return try state.admission.admit(
          client: client, size: size, deadline: deadline ?? state.limits.resultTTL,
          estimator: state.estimator, now: clock.now())
      }
    } catch {
      metrics.count(error)
      throw error
    }
  }

  /// Gives a place back that will not be used.
  package func giveUp(_ ticket: Ticket, as photo: ServiceMetrics.Photo) {
    locked { state, _ in state.admission.release(ticket) }
    metrics.count(photo)
    if photo == .cancelled { metrics.count(cancelled: "body") }
  }

  /// Submits a photo.
  ///
  /// - Parameters:
  ///   - bytes: The whole file.
  ///   - request: What is asked of it.
  ///   - ticket: Its place.
  ///   - owner: Who alone may ask for it by its id; nil for anybody.
  ///   - isKept: Whether it can be asked for by its id.
  ///   - deadline: Seconds from now; nil for the time that results are kept.
  ///   - note: What the caller wants to know of the job later.
  /// - Returns: The job.
  package func submit(
    _ bytes: [UInt8], for request: PhotoRequest, ticket: Ticket, owner: String? = nil,
    isKept: Bool = false, deadline: Double? = nil, note: (any Sendable)? = nil
  ) -> Job {
    let now = clock.now()
    var ticket = ticket
    // What takes no more than a moment need not wait for another thread.
    let isQuick = request.model.cache == nil && bytes.count <= Self.quickBytes
    let job = locked { state, later in
      state.admission.shrink(&ticket, to: min(ticket.bytes, bytes.count))
      let job = Job(
        owner: owner, isKept: isKept, start: now,
        deadline: now + (deadline ?? state.limits.resultTTL), ticket: ticket, note: note)
      state.jobs[ObjectIdentifier(job)] = job
      if isKept { state.kept.add(job) }
      tickOn(&state)
      if !isQuick {
        state.arrivals.append(.photo(job, bytes, request))
        later.append { [arrival] in arrival.signal() }
      }
      return job
    }
    if isQuick { receive(job, bytes, request) }
    return job
  }

  /// What becomes of a job, when it has.
  package func outcome(of job: Job) async -> JobOutcome {
    await withCheckedContinuation { continuation in
      locked { _, later in
        if let outcome = job.outcome {
          later.append { continuation.resume(returning: outcome) }
        } else {
          job.waiting.append(continuation)
        }
      }
    }
  }

  /// Forgets a job: it leaves the queue; what a worker has in hand goes on, for the cache.
  package func cancel(_ job: Job) {
    locked { state, later in
      if job.outcome == nil {
        metrics.count(cancelled: job.state == .running ? "running" : "queued")
        finish(job, .cancelled, &state, &later)
      }
      state.kept.remove(job)
    }
  }

  /// The job of this id, where it is kept and this is its owner.
  package func job(_ id: String, owner: String?) -> Job? {
    locked { state, _ in
      guard let job = state.kept[id], job.owner == owner else { return nil }
      return job
    }
  }

  /// Says that a job's result has been fetched: it is the first to go.
  package func noteFetched(_ job: Job) { locked { _, _ in job.wasFetched = true } }

  package func status(of job: Job) -> JobStatus {
    locked { state, _ in status(of: job, in: state) }
  }

  private func status(of job: Job, in state: State) -> JobStatus {
    let now = clock.now()
    let end = job.finished ?? now
    var position: Int?
    if job.outcome == nil, job.flight?.state != .running {
      position = 1
      var queue = state.queue
      while let flight = queue.pop(where: { $0.state == .waiting }), flight !== job.flight {
        position? += 1
      }
    }
    let ahead = (position ?? 0) + state.members.count { $0.flight != nil } - 1
    let estimate = state.estimator.mean.map { mean in
      position == nil
        ? max(0, mean - (now - (job.taken ?? now)))
        : state.estimator.wait(behind: ahead, workers: state.limits.jobs) + mean
    }
    return JobStatus(
      id: job.id, state: job.state, submitted: job.submitted, position: position,
      estimate: job.outcome == nil ? estimate : nil, queued: (job.taken ?? end) - job.start,
      running: job.taken.map { end - $0 }, outcome: job.outcome,
      expires: job.finished.map { max(0, $0 + state.limits.resultTTL - now) })
  }

  /// Waits until a job's state is another than `state`, at most some seconds.
  package func change(of job: Job, from old: Job.State, within seconds: Double) async {
    await withCheckedContinuation { continuation in
      locked { _, later in
        if job.state != old || job.outcome != nil {
          later.append { continuation.resume() }
        } else {
          job.watching.append((clock.now() + seconds, continuation))
        }
      }
    }
  }

  /// The result of a photo with this SHA-256, where the cache has it or it is in hand.
  package func result(digest: String, for request: PhotoRequest) async -> PhotoResult? {
    await withCheckedContinuation { continuation in
      locked { state, later in
        state.arrivals.append(.question(request.key(digest: digest), request, continuation))
        later.append { [arrival] in arrival.signal() }
      }
    }
  }

  // MARK: - Under the lock

  /// Ends a job, whatever it was at.
  private func finish(
    _ job: Job, _ outcome: JobOutcome, _ state: inout State, _ later: inout Later
  ) {
    guard job.outcome == nil else { return }
    job.outcome = outcome
    job.finished = clock.now()
    if let ticket = job.ticket { state.admission.release(ticket) }
    job.ticket = nil
    state.jobs[ObjectIdentifier(job)] = nil
    if let flight = job.flight {
      flight.jobs.removeAll { $0 === job }
      if flight.jobs.isEmpty, flight.state == .waiting {
        // It leaves the queue: whoever pops it sees that.
        state.waiting -= 1
        end(flight, &state)
      }
      job.flight = nil
    }
    state.kept.finish(job)
    // Before anybody can see the outcome.
    switch outcome {
    case .done(_, .parsed): metrics.count(.parsed)
    case .done(_, .cached): metrics.count(.cached)
    case .done(_, .joined): metrics.count(.joined)
    case .failed(let failure):
      metrics.count(.failed)
      metrics.count(failure)
    case .expired: metrics.count(.expired)
    case .cancelled: metrics.count(.cancelled)
    case .refused(let rejection): metrics.count(rejection)
    }
    let (waiting, watching) = (job.waiting, job.watching)
    (job.waiting, job.watching) = ([], [])
    later.append {
      for continuation in waiting { continuation.resume(returning: outcome) }
      for (_, continuation) in watching { continuation.resume() }
    }
  }

  private func end(_ flight: Flight, _ state: inout State) {
    flight.state = .over
    flight.bytes = []
    state.admission.release(bytes: flight.reserved)
    flight.reserved = 0
    if state.flights[flight.key] === flight { state.flights[flight.key] = nil }
  }

  // MARK: - The receiver

  /// Digests photos, and finds out which need a worker.
  private func receive() {
    while let arrival = nextArrival() {
      switch arrival {
      case .photo(let job, let bytes, let request): receive(job, bytes, request)
      case .question(let key, let request, let continuation):
        let found = locked { state, _ in state.flights[key]?.result }
        continuation.resume(returning: found ?? request.cached(key).result)
      }
    }
  }

  private func nextArrival() -> Arrival? {
    condition.lock()
    defer { condition.unlock() }
    while state.arrivals.isEmpty, !state.isStopped { arrival.wait() }
    return state.arrivals.isEmpty ? nil : state.arrivals.removeFirst()
  }

  private func receive(_ job: Job, _ bytes: [UInt8], _ request: PhotoRequest) {
    if locked({ _, _ in job.outcome != nil }) { return }
    let digest = bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    let key = request.key(digest: digest)
    if locked({ state, later in join(job, key, &state, &later) }) { return }
    if request.model.cache != nil {
      let (result, isDamaged) = request.cached(key)
      metrics.count(cache: result != nil ? "hit" : isDamaged ? "damaged" : "miss")
      if let result {
        locked { state, later in finish(job, .done(result, .cached), &state, &later) }
        return
      }
    }
    locked { state, later in
      // Meanwhile it may have been done, or given up.
      guard job.outcome == nil, !join(job, key, &state, &later), var ticket = job.ticket else {
        return
      }
      let flight = Flight(
        key: key, digest: digest, request: request, bytes: bytes, reserved: ticket.bytes)
      // The bytes are the flight's from here on: it may outlive the job.
      ticket.bytes = 0
      job.ticket = ticket
      job.flight = flight
      flight.jobs = [job]
      state.flights[key] = flight
      state.waiting += 1
      state.queue.push(flight, client: ticket.client)
      later.append { [condition] in condition.signal() }
    }
  }

  /// Waits for the same photo that is in hand already, or takes what was found in it.
  private func join(
    _ job: Job, _ key: String, _ state: inout State, _ later: inout Later
  ) -> Bool {
    guard job.outcome == nil, let flight = state.flights[key] else { return false }
    if let result = flight.result {
      finish(job, .done(result, .joined), &state, &later)
      return true
    }
    if var ticket = job.ticket {
      state.admission.shrink(&ticket, to: 0)
      job.ticket = ticket
      // It is due when the first of its clients is.
      if flight.state == .waiting { state.queue.push(flight, client: ticket.client) }
    }
    job.flight = flight
    job.taken = flight.state == .running ? clock.now() : nil
    flight.jobs.append(job)
    return true
  }

  // MARK: - Workers

  /// The whole life of a worker.
  private func work(_ member: Member) {
    var made: (model: ServedModel, worker: ParserWorker)?
    do throws(RunFailure) {
      let model = model
      let worker = try model.parser.makeWorker(threads: limits.threads)
      made = (model, worker)
      warm(worker, model)
    } catch {
      let report = locked { state, _ in state.onFailure }
      report?(error)
      return
    }
    locked { state, _ in
      member.isReady = true
      if state.phase == .starting, state.members.allSatisfy(\.isReady) { state.phase = .ready }
    }
    while let flight = take(member) {
      let result: Result<PhotoResult, FileFailure>
      if made?.model !== flight.request.model { made = nil }
      do throws(RunFailure) {
        let model = flight.request.model
        let worker =
          if let made { made.worker } else {
            try model.parser.makeWorker(threads: limits.threads)
          }
        made = (model, worker)
        result = Result { () throws(FileFailure) in
          try flight.request.parse(
            flight.bytes, digest: flight.digest, key: flight.key, limit: limits.resultBytes,
            worker: worker)
        }
      } catch {
        result = .failure(
          FileFailure(stage: .infer, code: .inference, message: error.message))
      }
      guard land(flight, result, member) else { return }
    }
  }

  /// Runs the network once, on a photo of the usual size, so that the first client does not wait for
  /// what it allocates; and learns how long it takes.
  private func warm(_ worker: ParserWorker, _ model: ServedModel) {
    let (width, height) = (640, 480)
    let pattern = RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height * 3)).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 7) })
    let decoded = model.parser.decode(pattern)
    _ = try? worker.infer(decoded)
    let start = clock.now()
    _ = try? worker.infer(decoded)
    let seconds = clock.now() - start
    locked { state, _ in state.estimator.add(seconds) }
  }

  /// Waits for the next photo.
  private func take(_ member: Member) -> Flight? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if member.isGivenUp { return nil }
      if let flight = state.queue.pop(where: { $0.state == .waiting }) {
        let now = clock.now()
        state.waiting -= 1
        flight.state = .running
        for job in flight.jobs { job.taken = now }
        member.flight = flight
        member.since = now
        let watching = flight.jobs.flatMap(\.watching)
        for job in flight.jobs { job.watching = [] }
        condition.unlock()
        for (_, continuation) in watching { continuation.resume() }
        condition.lock()
        return flight
      }
      if state.isStopped { return nil }
      condition.wait()
    }
  }

  /// Hands out what a worker has made of a photo.
  ///
  /// - Returns: Whether the worker goes on; not where it was given up meanwhile.
  private func land(
    _ flight: Flight, _ result: Result<PhotoResult, FileFailure>, _ member: Member
  ) -> Bool {
    let goesOn = locked { state, later in
      guard !member.isGivenUp else { return false }
      let now = clock.now()
      if case .success = result { state.estimator.add(now - member.since) }
      member.flight = nil
      for (index, job) in flight.jobs.enumerated() {
        metrics.add((job.taken ?? now) - job.start, stage: "queue")
        switch result {
        case .success(let result):
          finish(job, .done(result, index == 0 ? .parsed : .joined), &state, &later)
        case .failure(let failure): finish(job, .failed(failure), &state, &later)
        }
      }
      if case .success(let result) = result { flight.result = result }
      return true
    }
    if case .success(let result) = result {
      metrics.add(result.times)
      // Who comes meanwhile finds it in the flight.
      flight.request.store(result)
    }
    locked { state, _ in if flight.state != .over { end(flight, &state) } }
    return goesOn
  }

  // MARK: - Time

  /// Looks after deadlines: of jobs, workers and kept results.
  package func tick() {
    let replacements = locked { state, later in
      let now = clock.now()
      for job in Array(state.jobs.values) {
        if now > job.deadline {
          finish(job, .expired, &state, &later)
          continue
        }
        let due = job.watching.filter { now > $0.until }
        guard !due.isEmpty else { continue }
        job.watching.removeAll { now > $0.until }
        later.append { for (_, continuation) in due { continuation.resume() } }
      }
      state.kept.expire(now: now)
      var replacements: [Member] = []
      for (index, member) in state.members.enumerated() {
        guard let flight = member.flight, now - member.since > state.limits.timeout
        else { continue }
        member.isGivenUp = true
        member.thread?.detach()
        let failure = FileFailure(
          stage: .infer, code: .timeout, message: "not done within \(state.limits.timeout) s")
        for job in flight.jobs { finish(job, .failed(failure), &state, &later) }
        end(flight, &state)
        state.givenUp += 1
        metrics.countReplacedWorker()
        state.members[index] = Member(member.number)
        replacements.append(state.members[index])
      }
      return replacements
    }
    for member in replacements where !isStuck {
      do throws(RunFailure) {
        try start(member)
      } catch {
        let report = locked { state, _ in state.onFailure }
        report?(error)
      }
    }
  }

  // MARK: - What it is at

  /// A worker's state, for people and programs.
  package struct Worker: Sendable {
    package let isBusy: Bool
    /// Seconds over the photo in hand.
    package let seconds: Double?
  }

  /// All that is to be told of a service at one moment.
  package struct Snapshot: Sendable {
    package let phase: Phase
    package let workers: [Worker]
    /// Photos that wait for a worker.
    package let waiting: Int
    /// Photos that have a place: being received, waiting or in hand.
    package let admitted: Int
    package let bytes: Int
    /// Seconds a photo takes a worker; nil where none was parsed.
    package let meanSeconds: Double?
    /// Seconds until a photo that comes now is taken up.
    package let estimatedWait: Double
    package let jobs: [Job.State: Int]
    package let resultBytes: Int
    /// Whether a photo would be refused for want of room.
    package let isFull: Bool
  }

  package var snapshot: Snapshot {
    locked { state, _ in
      let now = clock.now()
      return Snapshot(
        phase: state.phase,
        workers: state.members.map {
          Worker(isBusy: $0.flight != nil, seconds: $0.flight == nil ? nil : now - $0.since)
        },
        waiting: state.waiting, admitted: state.admission.photos, bytes: state.admission.bytes,
        meanSeconds: state.estimator.mean,
        estimatedWait: state.estimator.wait(
          behind: max(0, state.admission.photos - state.limits.jobs + 1),
          workers: state.limits.jobs),
        jobs: Dictionary(state.kept.all.map { ($0.state, 1) }, uniquingKeysWith: +),
        resultBytes: state.kept.bytes,
        isFull: state.admission.photos >= state.limits.queue + state.limits.jobs)
    }
  }
}
