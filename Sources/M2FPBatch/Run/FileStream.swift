import M2FPCore
import M2FPResults
import Synchronization

/// Files of a run that come while it goes on: one thread puts them in, ``Batch`` takes them out.
public final class FileStream: Sendable {
  private let files: BoundedQueue<PlannedFile>
  private let count = Atomic<Int>(0)

  /// - Parameter capacity: How many files may wait; beyond that ``push(_:)`` does.
  public init(capacity: Int) {
    files = BoundedQueue(capacity: capacity, producers: 1)
  }

  /// Adds a file; nothing where the run is over.
  public func push(_ file: PlannedFile) {
    count.wrappingAdd(1, ordering: .relaxed)
    files.push(file)
  }

  /// Says that no file will follow.
  public func finish() { files.finish() }

  /// The next file; nil when there will be none.
  func next() -> PlannedFile? { files.pop() }

  /// Takes nothing more.
  func close() { files.close() }

  /// How many files have come.
  var total: Int { count.load(ordering: .relaxed) }
}
