import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import TestSupport

@testable import M2FP
@testable import M2FPBatch
@testable import M2FPServe

/// A clock that stands still until it is moved.
final class FakeClock: Sendable {
  private let time = Locked(1000.0)

  var clock: ServiceClock { ServiceClock { self.time.withLock { $0 } } }

  func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
}

/// A network that waits with every photo until it is let go.
final class Gate: Sendable {
  private let condition = NSCondition()
  nonisolated(unsafe) private var isOpen = true
  nonisolated(unsafe) private var passes = 0
  nonisolated(unsafe) private var arrived = 0

  func close() { change { isOpen = false } }

  /// Lets everything pass from now on.
  func open() { change { isOpen = true } }

  /// Lets one photo pass.
  func letOne() { change { passes += 1 } }

  private func change(_ body: () -> Void) {
    condition.lock()
    body()
    condition.broadcast()
    condition.unlock()
  }

  func pass() {
    condition.lock()
    arrived += 1
    condition.broadcast()
    while !isOpen, passes == 0 { condition.wait() }
    if !isOpen { passes -= 1 }
    condition.unlock()
  }

  /// How many photos have come to the network.
  var count: Int {
    condition.lock()
    defer { condition.unlock() }
    return arrived
  }
}

/// A service round a network that is not there.
final class ServeFixture: Sendable {
  let gate = Gate()
  let time = FakeClock()
  let service: Service
  let failures = Locked<[RunFailure]>([])
  /// What the network saw while it was loaded.
  let warming = Locked(0)

  init(
    jobs: Int = 1, cache: ResultCache? = nil, isTicking: Bool = false,
    _ change: (inout ServiceLimits) -> Void = { _ in }
  ) async throws {
    var limits = ServiceLimits()
    limits.jobs = jobs
    limits.perClient = 0
    change(&limits)
    service = Service(
      Self.model(gate, cache: cache), limits: limits, clock: time.clock)
    try service.start(isTicking: isTicking) { failure in
      self.failures.withLock { $0.append(failure) }
    }
    try await eventually { service.phase == .ready }
    let seen = gate.count
    warming.withLock { $0 = seen }
    gate.close()
  }

  deinit {
    gate.open()
    service.stop()
  }

  static func model(_ gate: Gate, sha256: String = "0", cache: ResultCache? = nil) -> ServedModel {
    var options = ParserOptions()
    options.outputs.masks = Set(1..<20)
    options.persons = .all
    options.outputs.personMap = false
    let parser = Parser(contract: FakeSession.contract(), options: options) {
      _ throws(RunFailure) in
      FakeSession(onRun: { gate.pass() })
    }
    return ServedModel(
      parser, identity: ModelIdentity(name: "fake", sha256: sha256), cache: cache, version: "test")
  }

  /// How many photos the network has been given.
  var seen: Int { gate.count - warming.withLock { $0 } }

  static func photo(_ number: Int) throws -> [UInt8] {
    Array(try PNGEncoder.rgb(Photo.pattern(width: 40, height: 30, factor: number * 2 + 1)).data)
  }

  /// Submits a photo.
  func send(
    _ number: Int, client: String = "a", deadline: Double? = nil, isKept: Bool = false,
    owner: String? = nil
  ) throws -> Job {
    let bytes = try Self.photo(number)
    let ticket = try service.admit(client: client, size: bytes.count, deadline: deadline)
    return service.submit(
      bytes, for: service.model.request(), ticket: ticket, owner: owner, isKept: isKept,
      deadline: deadline)
  }

  /// Submits a photo, and waits until a worker has it, or it is in the queue and all have others.
  func queue(
    _ number: Int, client: String = "a", deadline: Double? = nil, isKept: Bool = false
  ) async throws -> Job {
    let snapshot = service.snapshot
    let before = (snapshot.waiting, snapshot.workers.count(where: \.isBusy))
    let job = try send(number, client: client, deadline: deadline, isKept: isKept)
    try await eventually {
      let now = service.snapshot
      let hasCome = now.waiting > before.0 || now.workers.count(where: \.isBusy) > before.1
      return hasCome && (now.waiting == 0 || now.workers.allSatisfy(\.isBusy))
    }
    return job
  }

  func photos(_ photo: ServiceMetrics.Photo) -> Int { service.metrics.photos(photo) }
}

struct NeverHappened: Error {}

/// Waits for what another thread is about to do.
func eventually(_ condition: () -> Bool) async throws {
  for _ in 0..<20_000 {
    if condition() { return }
    try await Task.sleep(for: .milliseconds(1))
  }
  throw NeverHappened()
}

extension JobOutcome {
  var name: String {
    switch self {
    case .done(_, let source): source.rawValue
    case .failed(let failure): failure.code.rawValue
    case .expired: "expired"
    case .cancelled: "cancelled"
    case .refused: "refused"
    }
  }
}
