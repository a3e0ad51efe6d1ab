import Foundation
import Testing

@testable import M2FPBatch

struct WatchdogTests {
  @Test func issue17TimeThatNobodyRanDoesNotCount() {
    let clock = RunningClock(uptime: 1000)
    clock.advance(atMost: 100, uptime: 1050)
    #expect(clock.now == 50)
    // Stopped for an hour.
    clock.advance(atMost: 100, uptime: 3_600_000_000_000)
    #expect(clock.now == 150)
    clock.advance(atMost: 100, uptime: 3_600_000_000_030)
    #expect(clock.now == 180)
    // Clocks of several CPUs may be apart.
    clock.advance(atMost: 100, uptime: 5)
    #expect(clock.now == 180)
  }
}
