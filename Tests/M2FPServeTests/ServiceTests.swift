import Foundation
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPServe

struct ServiceTests {
  @Test func aPhotoIsParsed() async throws {
    let fixture = try await ServeFixture()
    fixture.gate.open()
    let job = try fixture.send(1)
    guard case .done(let result, .parsed) = await fixture.service.outcome(of: job) else {
      Issue.record("it was not parsed")
      return
    }
    #expect(result.file(.labelMap)?.bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) == true)
    #expect(result.sidecar.outputs.map(\.size) == result.files.map(\.bytes.count))
    #expect(fixture.photos(.parsed) == 1 && fixture.seen == 1)
    try await eventually { fixture.service.isIdle && fixture.service.snapshot.bytes == 0 }
  }

  @Test func whatIsNoPhotoFails() async throws {
    let fixture = try await ServeFixture()
    fixture.gate.open()
    let ticket = try fixture.service.admit(client: "a", size: 4, deadline: nil)
    let job = fixture.service.submit(
      Array("text".utf8), for: fixture.service.model.request(), ticket: ticket)
    #expect(await fixture.service.outcome(of: job).name == "unknown-format")
    #expect(fixture.photos(.failed) == 1 && fixture.seen == 0)
  }

  @Test func limitsCanBeChangedWhileItServes() async throws {
    let fixture = try await ServeFixture()
    var limits = fixture.service.limits
    let jobs = limits.jobs
    let held = try await fixture.queue(0)
    (limits.photoBytes, limits.perClient, limits.jobs) = (1, 1, jobs + 1)
    fixture.service.hold(to: limits)
    #expect(throws: Rejection.tooLarge(limit: 1)) {
      try fixture.service.admit(client: "b", size: 2, deadline: nil)
    }
    #expect(throws: Rejection.self) {
      try fixture.service.admit(client: "a", size: 1, deadline: nil)
    }
    #expect(fixture.service.limits.jobs == jobs, "its workers stay as they are")
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: held).name == "miss")
  }

  @Test func thePhotosOfOneClientDoNotDelayAnothers() async throws {
    let fixture = try await ServeFixture()
    var jobs = [try await fixture.queue(0)]
    for number in 1...5 { jobs.append(try await fixture.queue(number)) }
    let other = try await fixture.queue(9, client: "b")
    #expect(fixture.service.status(of: other).position == 2)
    // The one in hand, one of the first client's, and then the other's.
    for _ in 0..<3 { fixture.gate.letOne() }
    #expect(await fixture.service.outcome(of: other).name == "miss")
    #expect(jobs.count { fixture.service.status(of: $0).outcome == nil } == 4)
  }

  @Test func theSamePhotoIsParsedOnce() async throws {
    let fixture = try await ServeFixture(jobs: 2)
    let first = try await fixture.queue(1)
    let others = try (0..<5).map { try fixture.send(1, client: "c\($0)") }
    try await eventually { others.allSatisfy { fixture.service.status(of: $0).state == .running } }
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: first).name == "miss")
    for other in others { #expect(await fixture.service.outcome(of: other).name == "joined") }
    #expect(fixture.seen == 1 && fixture.photos(.joined) == 5)
    try await eventually { fixture.service.snapshot.bytes == 0 }
  }

  @Test func aPhotoGoesOnForOthersWhenTheFirstIsCancelled() async throws {
    let fixture = try await ServeFixture()
    _ = try await fixture.queue(0)
    let first = try await fixture.queue(1)
    let bytes = fixture.service.snapshot.bytes
    let second = try fixture.send(1, client: "b")
    // It waits for the first's photo: its own bytes are let go.
    try await eventually { fixture.service.snapshot.bytes == bytes }
    fixture.service.cancel(first)
    #expect(fixture.service.snapshot.waiting == 1)
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: first).name == "cancelled")
    #expect(await fixture.service.outcome(of: second).name == "miss")
    #expect(fixture.seen == 2)
  }

  @Test func whoHangsUpLeavesTheQueue() async throws {
    let fixture = try await ServeFixture()
    let running = try await fixture.queue(0)
    var waiting: [Job] = []
    for number in 1...10 { waiting.append(try await fixture.queue(number, client: "\(number)")) }
    for job in waiting + [running] { fixture.service.cancel(job) }
    #expect(fixture.service.snapshot.waiting == 0)
    let next = try await fixture.queue(20)
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: next).name == "miss")
    #expect(fixture.seen == 2)
    #expect(fixture.service.metrics.cancelled("queued") == 10)
    #expect(fixture.service.metrics.cancelled("running") == 1)
    try await eventually { fixture.service.isIdle && fixture.service.snapshot.bytes == 0 }
  }

  @Test func whatIsTooLateIsNotBegun() async throws {
    let fixture = try await ServeFixture()
    let running = try await fixture.queue(0, deadline: 100)
    let late = try await fixture.queue(1, deadline: 5)
    fixture.time.advance(6)
    fixture.service.tick()
    #expect(await fixture.service.outcome(of: late).name == "expired")
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: running).name == "miss")
    #expect(fixture.seen == 1 && fixture.photos(.expired) == 1)
  }

  @Test func aWorkerThatHangsIsReplaced() async throws {
    let fixture = try await ServeFixture { $0.timeout = 60 }
    let stuck = try await fixture.queue(0)
    let next = try await fixture.queue(1)
    fixture.time.advance(61)
    fixture.service.tick()
    #expect(await fixture.service.outcome(of: stuck).name == "timeout")
    // One for the worker that comes in its place, twice for loading, and one for the photo; the one
    // that hangs takes none of them.
    fixture.gate.open()
    #expect(await fixture.service.outcome(of: next).name == "miss")
    #expect(!fixture.service.isStuck)
    #expect(fixture.photos(.failed) == 1)
  }

  @Test func nothingIsLookedAtWhileThereIsNothingToDo() async throws {
    let fixture = try await ServeFixture(isTicking: true)
    #expect(fixture.service.isTicking)
    fixture.time.advance(11)
    try await eventually { !fixture.service.isTicking }
    let late = try await fixture.queue(0, deadline: 5)
    #expect(fixture.service.isTicking)
    fixture.time.advance(6)
    #expect(await fixture.service.outcome(of: late).name == "expired")
    // A worker has it still.
    fixture.time.advance(11)
    try await Task.sleep(for: .milliseconds(200))
    #expect(fixture.service.isTicking)
    fixture.gate.open()
    try await eventually { !fixture.service.snapshot.workers[0].isBusy }
    fixture.time.advance(11)
    try await eventually { !fixture.service.isTicking }
  }

  @Test func loadThatCannotBeMetIsRefusedAndTold() async throws {
    let fixture = try await ServeFixture { $0.queue = 2 }
    for number in 0..<3 { _ = try await fixture.queue(number) }
    #expect(throws: Rejection.queue(retryAfter: 1)) {
      try fixture.service.admit(client: "b", size: 10, deadline: nil)
    }
    #expect(fixture.service.snapshot.isFull && fixture.photos(.rejected) == 1)
  }

  @Test func aCachedPhotoWaitsForNoWorker() async throws {
    let folder = try TemporaryFolder()
    let cache = try ResultCache(folder.filePath("cache"), limit: 1 << 30)
    let fixture = try await ServeFixture(cache: cache)
    fixture.gate.open()
    let first = await fixture.service.outcome(of: try fixture.send(1))
    // It is stored when it has been answered.
    try await eventually { folder.files("cache").contains { $0.hasSuffix(".entry") } }
    fixture.gate.close()
    _ = try await fixture.queue(2)
    let again = await fixture.service.outcome(of: try fixture.send(1))
    guard case .done(let one, .parsed) = first, case .done(let two, .cached) = again else {
      Issue.record("\(first.name), \(again.name)")
      return
    }
    #expect(one.files.map(\.bytes) == two.files.map(\.bytes) && one.sidecar == two.sidecar)
    let digest = one.sidecar.input.sha256
    let request = fixture.service.model.request()
    #expect(await fixture.service.result(digest: digest, for: request)?.key == one.key)
    #expect(
      await fixture.service.result(digest: String(repeating: "0", count: 64), for: request) == nil)
  }

  @Test func aPhotoCanBeParsedWithOptionsOfItsOwn() async throws {
    let fixture = try await ServeFixture()
    fixture.gate.open()
    var options = fixture.service.model.parser.options
    options.outputs.masks = []
    options.outputs.personMap = true
    let bytes = try ServeFixture.photo(1)
    let ticket = try fixture.service.admit(client: "a", size: nil, deadline: nil)
    let job = fixture.service.submit(
      bytes, for: fixture.service.model.request(options), ticket: ticket)
    guard case .done(let result, _) = await fixture.service.outcome(of: job) else {
      Issue.record("it was not parsed")
      return
    }
    #expect(result.files.map(\.kind) == [.labelMap, .personMap])
  }

  @Test func anotherModelIsTakenUpBetweenPhotos() async throws {
    let fixture = try await ServeFixture()
    let first = try await fixture.queue(1)
    fixture.service.serve(ServeFixture.model(fixture.gate, sha256: "1"))
    let second = try fixture.send(1)
    fixture.gate.open()
    var models: [String] = []
    for job in [first, second] {
      if case .done(let result, .parsed) = await fixture.service.outcome(of: job) {
        models.append(result.sidecar.model.sha256)
      }
    }
    #expect(models == ["0", "1"])
  }

  @Test func aDrainedServiceEndsWhatItHas() async throws {
    let fixture = try await ServeFixture()
    let running = try await fixture.queue(0)
    let waiting = try await fixture.queue(1)
    fixture.service.drain()
    #expect(throws: Rejection.draining) {
      try fixture.service.admit(client: "a", size: 1, deadline: nil)
    }
    fixture.gate.letOne()
    #expect(await fixture.service.outcome(of: running).name == "miss")
    fixture.service.refuseAll()
    #expect(await fixture.service.outcome(of: waiting).name == "refused")
    fixture.gate.open()
    try await eventually { fixture.service.isIdle }
  }

  // MARK: - Jobs

  @Test func aJobIsThereForItsOwnerForAWhile() async throws {
    let fixture = try await ServeFixture()
    fixture.gate.open()
    let job = try fixture.send(1, isKept: true, owner: "ann")
    #expect(job.id.wholeMatch(of: /j_[0-9a-f]{32}/) != nil)
    _ = await fixture.service.outcome(of: job)
    #expect(fixture.service.job(job.id, owner: "ann") != nil)
    #expect(fixture.service.job(job.id, owner: "bob") == nil)
    #expect(fixture.service.job(job.id, owner: nil) == nil)
    fixture.time.advance(fixture.service.limits.resultTTL)
    fixture.service.tick()
    #expect(fixture.service.job(job.id, owner: "ann") == nil)
    #expect(fixture.service.snapshot.resultBytes == 0)
  }

  @Test func oldResultsMakeRoom() async throws {
    let measured = try await ServeFixture()
    measured.gate.open()
    _ = await measured.service.outcome(of: try measured.send(0, isKept: true))
    let size = measured.service.snapshot.resultBytes
    #expect(size > 4096)
    let fixture = try await ServeFixture { $0.resultBytes = size * 5 / 2 }
    fixture.gate.open()
    var jobs: [Job] = []
    for number in 0..<3 {
      let job = try fixture.send(number, isKept: true)
      _ = await fixture.service.outcome(of: job)
      fixture.time.advance(1)
      jobs.append(job)
      // The second goes before the first, which nobody has fetched.
      if number == 1 { fixture.service.noteFetched(job) }
    }
    #expect(fixture.service.snapshot.resultBytes <= size * 5 / 2)
    #expect(
      jobs.map { fixture.service.job($0.id, owner: nil) != nil } == [true, false, true])
  }

  /// A small photo of many persons can have large outputs.
  @Test func issue17OutputsOfOnePhotoAreBounded() async throws {
    let fixture = try await ServeFixture { $0.resultBytes = 100 }
    fixture.gate.open()
    let outcome = await fixture.service.outcome(of: try fixture.send(0))
    guard case .failed(let failure) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(failure.code == .imageTooLarge && failure.stage == .encode)
    #expect(failure.message == "the outputs that are asked for take more than 100 bytes")
  }

  /// Who sends what is no photo does not fill the memory with what became of it.
  @Test func issue17FailedJobsMakeRoomToo() async throws {
    let fixture = try await ServeFixture { $0.resultBytes = 10_000 }
    var jobs: [Job] = []
    for number in 0..<20 {
      let bytes = Array("no photo \(number)".utf8)
      let job = fixture.service.submit(
        bytes, for: fixture.service.model.request(),
        ticket: try fixture.service.admit(client: "a", size: bytes.count, deadline: nil),
        isKept: true)
      fixture.gate.open()
      _ = await fixture.service.outcome(of: job)
      jobs.append(job)
    }
    #expect(fixture.service.snapshot.resultBytes <= 10_000)
    #expect(fixture.service.job(jobs[19].id, owner: nil) != nil)
    #expect(jobs.count { fixture.service.job($0.id, owner: nil) != nil } < 10)
  }

  @Test func aChangeOfStateIsWaitedFor() async throws {
    let fixture = try await ServeFixture()
    _ = try await fixture.queue(0)
    let job = try await fixture.queue(1, isKept: true)
    #expect(fixture.service.status(of: job).state == .queued)
    async let change: Void = fixture.service.change(of: job, from: .queued, within: 100)
    fixture.gate.letOne()
    await change
    #expect(fixture.service.status(of: job).state == .running)
    async let nothing: Void = fixture.service.change(of: job, from: .running, within: 5)
    try await eventually { !job.watching.isEmpty }
    fixture.time.advance(6)
    fixture.service.tick()
    await nothing
    #expect(fixture.service.status(of: job).state == .running)
    fixture.gate.open()
    _ = await fixture.service.outcome(of: job)
    #expect(fixture.service.status(of: job).state == .done)
  }

  /// Whichever comes first, a job has one end, and its place is given back once.
  @Test func cancelAndEndRace() async throws {
    let fixture = try await ServeFixture(jobs: 2) { $0.queue = 1000 }
    fixture.gate.open()
    let photos = try (0..<8).map { try ServeFixture.photo($0) }
    let service = fixture.service
    let ends = Locked<[String: Int]>([:])
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<400 {
        let bytes = photos[number % 8]
        group.addTask {
          let ticket = try service.admit(client: "\(number % 5)", size: nil, deadline: nil)
          let job = service.submit(bytes, for: service.model.request(), ticket: ticket)
          async let outcome = service.outcome(of: job)
          if number % 3 == 0 { await Task.yield() }
          if number % 2 == 0 { service.cancel(job) }
          let name = await outcome.name
          ends.withLock { $0[name, default: 0] += 1 }
        }
        if number % 6 == 5 { try await group.next() }
      }
      try await group.waitForAll()
    }
    #expect(ends.withLock { $0.values.reduce(0, +) } == 400)
    let counted = ServiceMetrics.Photo.allCases.reduce(0) { $0 + fixture.photos($1) }
    #expect(counted == 400)
    try await eventually { service.isIdle && service.snapshot.bytes == 0 }
  }
}
