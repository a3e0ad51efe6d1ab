import Testing

@testable import M2FPServe

struct FairQueueTests {
  @Test func clientsTakeTurns() {
    var queue = FairQueue<String>()
    for number in 1...4 { queue.push("a\(number)", client: "a") }
    queue.push("b1", client: "b")
    queue.push("c1", client: "c")
    queue.push("b2", client: "b")
    var order: [String] = []
    while let element = queue.pop() { order.append(element) }
    #expect(order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"])
    #expect(queue.isEmpty)
  }

  @Test func whatIsNotWantedCostsNoTurn() {
    var queue = FairQueue<Int>()
    for number in 0..<200 { queue.push(number, client: "a") }
    queue.push(1000, client: "b")
    #expect(queue.pop { $0 >= 150 } == 150)
    #expect(queue.pop() == 1000)
    #expect(queue.pop { _ in false } == nil)
    #expect(queue.isEmpty)
  }

  @Test func aClientThatComesBackWaitsBehindTheOthers() {
    var queue = FairQueue<String>()
    queue.push("a1", client: "a")
    queue.push("b1", client: "b")
    #expect(queue.pop() == "a1")
    queue.push("a2", client: "a")
    #expect(queue.pop() == "b1")
    #expect(queue.pop() == "a2")
  }
}
