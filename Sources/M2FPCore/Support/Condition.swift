import FoundationEssentials
import Glibc

/// Lock under which threads wait for one another.
///
/// Rather than `NSCondition`, with which all of Foundation and its data of all languages, 45 MB, are linked
/// into each program.
package final class Condition: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let variable = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  /// Whose the mutex is, where it is another's.
  private let owner: Condition?

  /// - Parameter other: The lock to be waited under; nil for one of its own.
  package init(of other: Condition? = nil) {
    owner = other
    mutex = other?.mutex ?? .allocate(capacity: 1)
    if other == nil { pthread_mutex_init(mutex, nil) }
    pthread_cond_init(variable, nil)
  }

  deinit {
    pthread_cond_destroy(variable)
    variable.deallocate()
    guard owner == nil else { return }
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  package func lock() { pthread_mutex_lock(mutex) }

  package func unlock() { pthread_mutex_unlock(mutex) }

  /// Gives the lock back until somebody calls ``signal()`` or ``broadcast()``, and sometimes for less long.
  package func wait() { pthread_cond_wait(variable, mutex) }

  /// The same, at most until some moment.
  ///
  /// - Returns: Whether it had not come yet.
  package func wait(until deadline: Date) -> Bool {
    let seconds = max(0, deadline.timeIntervalSince1970)
    var time = timespec(
      tv_sec: Int(seconds), tv_nsec: Int(seconds.truncatingRemainder(dividingBy: 1) * 1e9))
    return pthread_cond_timedwait(variable, mutex, &time) == 0
  }

  /// Wakes one of those who wait.
  package func signal() { pthread_cond_signal(variable) }

  /// Wakes all who wait.
  package func broadcast() { pthread_cond_broadcast(variable) }
}
