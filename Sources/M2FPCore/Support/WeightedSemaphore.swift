/// Shares out what there is a fixed amount of, such as bytes of memory, in the order of asking.
package final class WeightedSemaphore: Sendable {
  private let capacity: Int
  private let condition = Condition()
  // Touched only while `condition` is held.
  nonisolated(unsafe) private var held = 0
  nonisolated(unsafe) private var asked = 0
  nonisolated(unsafe) private var served = 0

  /// - Parameter capacity: How much there is; at least 1.
  package init(capacity: Int) {
    self.capacity = max(1, capacity)
  }

  /// Runs `body` with a share, waiting until so much is left. No share may be asked for within `body`.
  ///
  /// - Parameters:
  ///   - weight: How much; who asks for more than there is gets all of it, and is alone.
  ///   - body: What needs it.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  package func holding<Result, Failure>(
    _ weight: Int, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let weight = min(max(0, weight), capacity)
    condition.lock()
    let turn = asked
    asked += 1
    while served != turn || held + weight > capacity { condition.wait() }
    served += 1
    held += weight
    condition.broadcast()
    condition.unlock()
    defer {
      condition.lock()
      held -= weight
      condition.broadcast()
      condition.unlock()
    }
    return try body()
  }
}
