import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults

/// The results that this run is making, by key: of two copies of a photo that come one after the
/// other, the second waits for the first instead of being parsed, too.
final class InFlightKeys: Sendable {
  /// Holds a key as long as it lives, wherever its file goes: on, or into a failure.
  final class Reservation: Sendable {
    private let keys: InFlightKeys
    private let key: String

    fileprivate init(_ keys: InFlightKeys, _ key: String) {
      self.keys = keys
      self.key = key
    }

    deinit { keys.release(key) }
  }

  private let condition = Condition()
  // Touched only while `condition` is held.
  nonisolated(unsafe) private var held: Set<String> = []

  /// - Returns: nil if the key is held already.
  func reserve(_ key: String) -> Reservation? {
    condition.lock()
    defer { condition.unlock() }
    return held.insert(key).inserted ? Reservation(self, key) : nil
  }

  private func release(_ key: String) {
    condition.lock()
    defer { condition.unlock() }
    held.remove(key)
    condition.broadcast()
  }

  /// Waits until nobody holds `key`, the run is cancelled, or the time is up.
  func wait(for key: String, timeout: Duration?, cancellation: Cancellation) {
    let end = timeout.map { Date(timeIntervalSinceNow: Double($0.nanoseconds) / 1e9) }
    condition.lock()
    defer { condition.unlock() }
    while held.contains(key), !cancellation.isCancelled, end.map({ Date() < $0 }) ?? true {
      _ = condition.wait(until: Date(timeIntervalSinceNow: 0.1))
    }
  }
}
