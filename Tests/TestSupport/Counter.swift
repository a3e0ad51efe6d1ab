import Synchronization

/// Counts across threads.
package final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  package init() {}

  package var value: Int { count.load(ordering: .relaxed) }

  /// - Returns: The count with this one.
  @discardableResult
  package func increment() -> Int { count.wrappingAdd(1, ordering: .relaxed).newValue }
}
