import Synchronization

/// Threads for what is mostly waiting for a disk.
enum DiskThreads {
  /// More than there are CPUs, since where nothing is in memory yet almost all of the time is the
  /// disk's, which is quickest when much is asked of it at once.
  static let most = 16
  /// What a thread takes at a time.
  private static let slice = 64

  /// Calls `body` with each of 0 ..< `count`, at once on several threads.
  ///
  /// - Parameters:
  ///   - count: How many there are.
  ///   - cancellation: Leaves out what is not begun.
  ///   - body: What is done with each.
  static func perform(
    _ count: Int, cancellation: Cancellation? = nil, _ body: @escaping @Sendable (Int) -> Void
  ) {
    let next = Counter()
    @Sendable func work() {
      while case let start = next.value.wrappingAdd(slice, ordering: .relaxed).oldValue,
        start < count, !(cancellation?.isCancelled ?? false)
      {
        for index in start..<min(count, start + slice) { body(index) }
      }
    }
    let crew = (0..<min(most, (count + slice - 1) / slice)).compactMap { _ in
      try? WorkerThread(work)
    }
    // Where no thread can be started it takes longer.
    if crew.isEmpty { work() }
    for thread in crew { thread.join() }
  }

  private final class Counter: Sendable {
    let value = Atomic(0)
  }
}
