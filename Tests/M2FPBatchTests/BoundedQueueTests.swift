import Foundation
import Synchronization
import Testing

@testable import M2FPBatch

struct BoundedQueueTests {
  @Test func manyProducersAndConsumersLoseNothing() {
    let queue = BoundedQueue<Int>(capacity: 3, producers: 4)
    let sum = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      if index < 4 {
        for value in 1...1000 { queue.push(value) }
        queue.finish()
      } else {
        while let value = queue.pop() { sum.wrappingAdd(value, ordering: .relaxed) }
      }
    }
    #expect(sum.load(ordering: .relaxed) == 4 * 500_500)
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
