import Foundation
import M2FPCore
import Testing

struct ConditionTests {
  /// Four threads that pass when they are let, under one lock with two conditions.
  private final class Gate: Sendable {
    let changed: Condition
    let opened: Condition
    nonisolated(unsafe) var arrived = 0
    nonisolated(unsafe) var isOpen = false
    nonisolated(unsafe) var gone = 0

    init() {
      changed = Condition()
      opened = Condition(of: changed)
      for _ in 0..<4 { Thread.detachNewThread { self.pass() } }
    }

    private func pass() {
      opened.lock()
      arrived += 1
      changed.signal()
      while !isOpen { opened.wait() }
      gone += 1
      changed.signal()
      opened.unlock()
    }
  }

  @Test func whoWaitsIsWoken() {
    let gate = Gate()
    gate.changed.lock()
    while gate.arrived < 4 { gate.changed.wait() }
    #expect(gate.gone == 0)
    gate.isOpen = true
    gate.opened.broadcast()
    while gate.gone < 4 { gate.changed.wait() }
    gate.changed.unlock()
  }

  @Test func waitingEndsWithItsTime() {
    let condition = Condition()
    condition.lock()
    defer { condition.unlock() }
    let start = Date()
    while condition.wait(until: start.addingTimeInterval(0.05)) {}
    #expect(Date() >= start.addingTimeInterval(0.05))
    #expect(!condition.wait(until: .distantPast))
  }
}
