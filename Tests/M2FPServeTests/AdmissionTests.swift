import Testing

@testable import M2FPServe

struct AdmissionTests {
  private func limits(_ change: (inout ServiceLimits) -> Void) -> ServiceLimits {
    var limits = ServiceLimits()
    (limits.jobs, limits.queue, limits.perClient) = (2, 4, 0)
    change(&limits)
    return limits
  }

  private func estimator(_ seconds: Double) -> Estimator {
    var estimator = Estimator()
    estimator.add(seconds)
    return estimator
  }

  @Test func theEstimatorFollowsWhatTookLonger() {
    var estimator = Estimator()
    #expect(estimator.mean == nil && estimator.wait(behind: 10, workers: 2) == 0)
    estimator.add(1)
    estimator.add(3)
    #expect(estimator.mean == 2)
    for _ in 0..<200 { estimator.add(5) }
    #expect(abs((estimator.mean ?? 0) - 5) < 0.02)
    #expect(abs(estimator.wait(behind: 4, workers: 2) - 10) < 0.04)
  }

  @Test func bytesAreCountedToTheByte() throws {
    var admission = Admission(limits { ($0.queueBytes, $0.photoBytes) = (100, 60) })
    let none = Estimator()
    var first = try admission.admit(
      client: "a", size: 60, deadline: 30, estimator: none, now: 0)
    let second = try admission.admit(
      client: "b", size: 40, deadline: 30, estimator: none, now: 0)
    #expect(throws: Rejection.bytes(retryAfter: 1)) {
      try admission.admit(client: "c", size: 1, deadline: 30, estimator: none, now: 0)
    }
    admission.shrink(&first, to: 59)
    let third = try admission.admit(client: "c", size: 1, deadline: 30, estimator: none, now: 0)
    #expect(admission.bytes == 100)
    for ticket in [first, second, third] { admission.release(ticket) }
    #expect(admission.bytes == 0 && admission.photos == 0)
    #expect(throws: Rejection.tooLarge(limit: 60)) {
      try admission.admit(client: "a", size: 61, deadline: 30, estimator: none, now: 0)
    }
    // Of a size that is not known it may be the largest.
    #expect(
      try admission.admit(client: "a", size: nil, deadline: 30, estimator: none, now: 0).bytes == 60
    )
  }

  @Test func aClientHasItsShare() throws {
    var admission = Admission(limits { $0.perClient = 2 })
    let estimator = estimator(1)
    let first = try admission.admit(
      client: "a", size: 1, deadline: 30, estimator: estimator, now: 0)
    _ = try admission.admit(client: "a", size: 1, deadline: 30, estimator: estimator, now: 0)
    #expect(throws: Rejection.client(retryAfter: 1)) {
      try admission.admit(client: "a", size: 1, deadline: 30, estimator: estimator, now: 0)
    }
    _ = try admission.admit(client: "b", size: 1, deadline: 30, estimator: estimator, now: 0)
    admission.release(first)
    _ = try admission.admit(client: "a", size: 1, deadline: 30, estimator: estimator, now: 0)
  }

  @Test func asManyWaitAsMay() throws {
    var admission = Admission(limits { _ in })
    for _ in 0..<6 {
      _ = try admission.admit(
        client: "a", size: 1, deadline: 30, estimator: Estimator(), now: 0)
    }
    #expect(throws: Rejection.queue(retryAfter: 1)) {
      try admission.admit(client: "a", size: 1, deadline: 30, estimator: Estimator(), now: 0)
    }
  }

  @Test func whatWouldBeTooLateIsRefusedAtOnce() throws {
    var admission = Admission(limits { $0.queue = 100 })
    let estimator = estimator(4)
    for _ in 0..<10 {
      _ = try admission.admit(client: "a", size: 1, deadline: 60, estimator: estimator, now: 0)
    }
    // Ten before it on two workers, 20 s, and 4 s of its own.
    #expect(throws: Rejection.deadline(retryAfter: 14)) {
      try admission.admit(client: "a", size: 1, deadline: 10, estimator: estimator, now: 0)
    }
    _ = try admission.admit(client: "a", size: 1, deadline: 24, estimator: estimator, now: 0)
  }

  /// One photo that took very long must not be the last that is taken on.
  @Test func whatNobodyIsBeforeIsTriedAlthoughOthersTookLonger() throws {
    var admission = Admission(limits { _ in })
    let estimator = estimator(40)
    let ticket = try admission.admit(
      client: "a", size: 1, deadline: 30, estimator: estimator, now: 0)
    // Which is to come again when that one is done, not when its deadline would be long enough.
    #expect(throws: Rejection.deadline(retryAfter: 20)) {
      try admission.admit(client: "b", size: 1, deadline: 30, estimator: estimator, now: 0)
    }
    admission.release(ticket)
    _ = try admission.admit(client: "b", size: 1, deadline: 30, estimator: estimator, now: 0)
  }

  /// Who is sent away is told another time than those before, a little further apart than photos are done:
  /// told the same, they would come all at once, and most in vain.
  @Test func theyAreToldToComeOneAfterTheOther() throws {
    var admission = Admission(limits { _ in })
    let estimator = estimator(2)
    for _ in 0..<6 {
      _ = try admission.admit(client: "a", size: 1, deadline: 60, estimator: estimator, now: 0)
    }
    var told: [Int] = []
    for _ in 0..<6 {
      do throws(Rejection) {
        _ = try admission.admit(
          client: "a", size: 1, deadline: 60, estimator: estimator, now: 0)
      } catch {
        told.append(error.retryAfter ?? 0)
      }
    }
    #expect(told == [2, 4, 5, 6, 7, 9])
    // The promises lie behind when they have come due.
    #expect(throws: Rejection.queue(retryAfter: 2)) {
      try admission.admit(client: "a", size: 1, deadline: 60, estimator: estimator, now: 100)
    }
  }
}
