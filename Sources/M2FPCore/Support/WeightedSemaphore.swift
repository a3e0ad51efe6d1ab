import FoundationEssentials

/// Shares out what there is a fixed amount of, such as bytes of memory, in the order of asking.
package final class WeightedSemaphore: Sendable {
  private let capacity: Int
  private let condition = Condition()
  // Touched only while `condition` is held.
  nonisolated(unsafe) private var held = 0
  nonisolated(unsafe) private var asked = 0
  /// Those who wait, first come first.
  nonisolated(unsafe) private var turns: [Int] = []

  /// What somebody holds, until nobody has this any more.
  package final class Share: Sendable {
    private let semaphore: WeightedSemaphore
    private let weight: Int

    fileprivate init(_ semaphore: WeightedSemaphore, _ weight: Int) {
      self.semaphore = semaphore
      self.weight = weight
    }

    deinit { semaphore.giveBack(weight) }
  }

  /// - Parameter capacity: How much there is; at least 1.
  package init(capacity: Int) {
    self.capacity = max(1, capacity)
  }

  /// Takes a share, waiting until so much is left. Who waits holds none.
  ///
  /// - Parameters:
  ///   - weight: How much; who asks for more than there is gets all of it, and is alone.
  ///   - isCancelled: Whether waiting is to end; asked now and then.
  /// - Returns: The share; nil where waiting was ended.
  package func take(_ weight: Int, unless isCancelled: () -> Bool = { false }) -> Share? {
    let weight = min(max(0, weight), capacity)
    condition.lock()
    defer { condition.unlock() }
    let turn = asked
    asked += 1
    turns.append(turn)
    while turns.first != turn || held + weight > capacity {
      if isCancelled() {
        turns.removeAll { $0 == turn }
        condition.broadcast()
        return nil
      }
      _ = condition.wait(until: Date(timeIntervalSinceNow: 0.1))
    }
    turns.removeFirst()
    held += weight
    condition.broadcast()
    return Share(self, weight)
  }

  /// Runs `body` with a share, waiting as ``take(_:unless:)`` does.
  ///
  /// - Parameters:
  ///   - weight: How much.
  ///   - body: What needs it.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  package func holding<Result, Failure>(
    _ weight: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let share = take(weight)
    defer { withExtendedLifetime(share) {} }
    return try body()
  }

  private func giveBack(_ weight: Int) {
    condition.lock()
    held -= weight
    condition.broadcast()
    condition.unlock()
  }
}
