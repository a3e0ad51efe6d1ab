import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import Testing

@testable import M2FPBatch

struct CancellationTests {
  @Test func theFirstReasonCounts() {
    let cancellation = Cancellation()
    #expect(!cancellation.isCancelled && cancellation.reason == nil)
    cancellation.cancel(.interrupted)
    cancellation.cancel(.errorLimit)
    #expect(cancellation.isCancelled && cancellation.reason == .interrupted)
  }

  @Test func aSpentTimeLimitCancels() {
    #expect(!Cancellation(timeLimit: .seconds(1000)).isCancelled)
    let cancellation = Cancellation(timeLimit: .milliseconds(1))
    usleep(2000)
    #expect(cancellation.isCancelled && cancellation.reason == .timeLimit)
  }

  @Test func anEndlessTimeLimitIsNone() {
    #expect(!Cancellation(timeLimit: .seconds(Int64.max)).isCancelled)
  }
}
