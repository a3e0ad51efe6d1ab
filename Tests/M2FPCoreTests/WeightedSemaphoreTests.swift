import Foundation
import Synchronization
import TestSupport
import Testing

@testable import M2FPCore

struct WeightedSemaphoreTests {
  private final class Peak: Sendable {
    private let values = Locked((held: 0, most: 0))

    func add(_ weight: Int) {
      values.withLock {
        $0.held += weight
        $0.most = max($0.most, $0.held)
      }
    }

    var most: Int { values.withLock(\.most) }
  }

  @Test func noMoreIsHeldThanThereIs() async throws {
    let semaphore = WeightedSemaphore(capacity: 10)
    let peak = Peak()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for thread in 1...8 {
        group.addTask {
          try await onOwnThread {
            for round in 0..<100 {
              let weight = (thread * round) % 7
              semaphore.holding(weight) {
                peak.add(weight)
                peak.add(-weight)
              }
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect((6...10).contains(peak.most))
  }

  @Test func whoAsksForMoreThanThereIsIsAlone() async throws {
    let semaphore = WeightedSemaphore(capacity: 10)
    let inside = Locked(0)
    let alone = try await withThrowingTaskGroup(of: Bool.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try await onOwnThread {
            semaphore.holding(.max) {
              let isFirst = inside.withLock {
                $0 += 1
                return $0 == 1
              }
              Thread.sleep(forTimeInterval: 0.01)
              inside.withLock { $0 -= 1 }
              return isFirst
            }
          }
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(alone == [true, true, true, true])
  }

  @Test func aShareIsGivenBackByItsLastHolder() {
    let semaphore = WeightedSemaphore(capacity: 10)
    var share = semaphore.take(6)
    #expect(share != nil && semaphore.take(5, unless: { true }) == nil)
    share = nil
    #expect(semaphore.take(10, unless: { true }) != nil)
  }

  @Test func whoGivesUpLetsTheNextOneIn() async throws {
    let semaphore = WeightedSemaphore(capacity: 10)
    let share = semaphore.take(6)
    let (isCancelled, waits) = (Locked(false), Counter())
    async let gaveUp = onOwnThread {
      semaphore.take(10) {
        waits.increment()
        return isCancelled.withLock(\.self)
      } == nil
    }
    while waits.value == 0 { try await Task.sleep(for: .milliseconds(5)) }
    #expect(semaphore.take(4, unless: { true }) == nil, "who came first is first")
    isCancelled.withLock { $0 = true }
    #expect(try await gaveUp)
    #expect(semaphore.take(4, unless: { true }) != nil)
    withExtendedLifetime(share) {}
  }

  @Test func errorsGiveBackWhatWasHeld() {
    struct Failure: Error {}
    let semaphore = WeightedSemaphore(capacity: 1)
    for _ in 0..<3 {
      #expect(throws: Failure.self) {
        try semaphore.holding(1) { () throws(Failure) in throw Failure() }
      }
    }
  }
}
