import Dispatch
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization

/// Asks a running batch to stop: files in hand are finished, no further one is begun.
public final class Cancellation: Sendable {
  /// Why a run stops before its end.
  public enum Reason: Sendable, Equatable {
    /// A signal came.
    case interrupted
    /// The run's time is spent.
    case timeLimit
    /// As many files failed as may.
    case errorLimit
    /// Something is wrong that every further file would meet, too.
    case failure(RunFailure)
  }

  private let flag = Atomic<Bool>(false)
  private let first = Locked<Reason?>(nil)
  /// Uptime in nanoseconds.
  private let deadline: UInt64?

  /// - Parameter timeLimit: After what time from now the batch stops by itself; nil for never.
  public init(timeLimit: Duration? = nil) {
    deadline = timeLimit.map { DispatchTime.now().uptimeNanoseconds + $0.nanoseconds }
  }

  /// Stops the batch; of several reasons the first counts.
  public func cancel(_ reason: Reason) {
    first.withLock { $0 = $0 ?? reason }
    flag.store(true, ordering: .relaxed)
  }

  public var isCancelled: Bool {
    if flag.load(ordering: .relaxed) { return true }
    guard let deadline, DispatchTime.now().uptimeNanoseconds >= deadline else { return false }
    cancel(.timeLimit)
    return true
  }

  /// Why the batch was stopped; nil while it was not.
  public var reason: Reason? { first.withLock { $0 } }
}

extension Duration {
  /// "1.5 s", for people.
  var text: String {
    let seconds = Double(nanoseconds) / 1e9
    return seconds == seconds.rounded() ? "\(Int(seconds)) s" : "\(seconds) s"
  }

  /// Whole nanoseconds, at least none and at most 292 years.
  var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    let whole = UInt64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let limit = UInt64(Int64.max)
    guard !whole.overflow, whole.partialValue < limit else { return limit }
    return whole.partialValue + UInt64(clamping: attoseconds / 1_000_000_000)
  }
}
