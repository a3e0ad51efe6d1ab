import Foundation
import M2FPFiles
import M2FPResults
import Testing

@testable import M2FPBatch

struct BoundedQueueTests {
  @Test func manyProducersAndConsumersLoseNothing() {
    let queue = BoundedQueue<Int>(capacity: 3, producers: 4)
    let sums = BoundedQueue<Int>(capacity: 4, producers: 4)
    for _ in 0..<4 {
      Thread.detachNewThread {
        for value in 1...1000 { queue.push(value) }
        queue.finish()
      }
      Thread.detachNewThread {
        var sum = 0
        while let value = queue.pop() { sum += value }
        sums.push(sum)
        sums.finish()
      }
    }
    var total = 0
    while let sum = sums.pop() { total += sum }
    #expect(total == 4 * 500_500)
  }

  @Test func aFinishedQueueGivesWhatIsLeftAndThenNil() {
    let queue = BoundedQueue<Int>(capacity: 3, producers: 1)
    queue.push(1)
    queue.push(2)
    queue.finish()
    #expect(queue.pop() == 1)
    #expect(queue.pop() == 2)
    #expect(queue.pop() == nil)
  }
}
