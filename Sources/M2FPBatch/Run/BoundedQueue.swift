import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults

/// A first-in, first-out queue between threads that holds at most `capacity` elements.
final class BoundedQueue<Element: Sendable>: Sendable {
  private let capacity: Int
  private let condition = Condition()
  // Touched only while `condition` is held.
  nonisolated(unsafe) private var elements: [Element] = []
  nonisolated(unsafe) private var producers: Int
  nonisolated(unsafe) private var isClosed = false

  /// Makes a queue that is closed once `producers` threads have called ``finish()``.
  init(capacity: Int, producers: Int) {
    self.capacity = capacity
    self.producers = producers
  }

  /// Appends, waiting while the queue is full; nothing where it is closed.
  func push(_ element: Element) {
    condition.lock()
    defer { condition.unlock() }
    while elements.count >= capacity && !isClosed { condition.wait() }
    if isClosed { return }
    elements.append(element)
    condition.broadcast()
  }

  /// Takes the oldest element, waiting while there is none.
  ///
  /// - Parameter deadline: When to stop waiting; nil for never.
  /// - Returns: nil once all producers have finished (``isFinished``), or when time is up.
  func pop(until deadline: Date? = nil) -> Element? {
    condition.lock()
    defer { condition.unlock() }
    while elements.isEmpty && producers > 0 {
      if let deadline {
        if !condition.wait(until: deadline) { break }
      } else {
        condition.wait()
      }
    }
    guard !elements.isEmpty else { return nil }
    defer { condition.broadcast() }
    return elements.removeFirst()
  }

  /// Takes nothing more: nobody is left to wait for it.
  func close() {
    condition.lock()
    defer { condition.unlock() }
    isClosed = true
    condition.broadcast()
  }

  /// Whether all producers have finished and nothing is left.
  var isFinished: Bool {
    condition.lock()
    defer { condition.unlock() }
    return elements.isEmpty && producers == 0
  }

  /// Says that the calling producer will push no more.
  func finish() {
    condition.lock()
    defer { condition.unlock() }
    producers -= 1
    condition.broadcast()
  }
}
