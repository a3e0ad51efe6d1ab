import Foundation
import M2FPCore
import TestSupport
import Testing

@testable import M2FPCommands

struct ConcurrentMapTests {
  @Test func issue17NoMoreIsHeldThanThereIs() {
    let held = Locked((now: 0, most: 0))
    let values = (0..<200).map { ($0 * 7) % 11 }
    let results = concurrentMap(
      values, sharing: WeightedSemaphore(capacity: 10), bytes: { min($0, 10) }
    ) { value in
      let bytes = min(value, 10)
      held.withLock {
        $0.now += bytes
        $0.most = max($0.most, $0.now)
      }
      usleep(200)
      held.withLock { $0.now -= bytes }
      return value * value
    }
    #expect(results == values.map { $0 * $0 })
    #expect(held.withLock(\.most) == 10)
  }
}
