import M2FPCore
import M2FPFiles
import Synchronization

/// Time that goes on only while somebody looks: what a process is stopped for (SIGSTOP), or a machine
/// is suspended, passes in no time.
final class RunningClock: Sendable {
  private let nanoseconds = Atomic<UInt64>(0)
  private let last: Locked<UInt64>

  init(uptime: UInt64) {
    last = Locked(uptime)
  }

  /// Nanoseconds.
  var now: UInt64 { nanoseconds.load(ordering: .relaxed) }

  /// Moves on, as far as time has passed since this was last called.
  ///
  /// - Parameters:
  ///   - most: Nanoseconds by which it moves at most: beyond them, nobody can have been running.
  ///   - uptime: The system's time.
  func advance(atMost most: UInt64, uptime: UInt64) {
    let passed = last.withLock { last in
      defer { last = max(last, uptime) }
      return uptime > last ? uptime - last : 0
    }
    nanoseconds.wrappingAdd(min(passed, most), ordering: .relaxed)
  }
}

/// What one thread holds at the moment, so that another can tell when it takes too long.
///
/// Neither libtorch nor a file system that hangs can be interrupted. A thread that takes too long is
/// abandoned: its file is declared failed and another thread takes its place. Under the lock
/// it is settled which came first, the thread's return or its being abandoned.
final class Watchdog: Sendable {
  private struct State {
    var job: FileJob?
    var since: UInt64 = 0
    /// Nanoseconds that do not count.
    var allowance: UInt64 = 0
    var isExpired = false
  }

  private let state = Locked(State())
  private let clock: RunningClock

  init(_ clock: RunningClock) {
    self.clock = clock
  }

  /// Works on a file.
  ///
  /// - Parameters:
  ///   - job: The file.
  ///   - allowance: Nanoseconds of this that do not count as its time.
  ///   - body: The work.
  /// - Returns: What `body` returned; nil if the thread was abandoned meanwhile and must end without
  ///   a word.
  func watch<Result>(
    _ job: FileJob, allowance: UInt64 = 0, _ body: () -> Result
  ) -> Result? {
    state.withLock { $0 = State(job: job, since: clock.now, allowance: allowance) }
    let result = body()
    let hasExpired = state.withLock { state in
      let spent = clock.now - state.since
      job.add(spent - min(spent, allowance))
      state.job = nil
      return state.isExpired
    }
    return hasExpired ? nil : result
  }

  /// Abandons the thread if it has a file in hand that has taken longer than `limit` nanoseconds.
  ///
  /// - Returns: The file, if so.
  func expire(after limit: UInt64) -> FileJob? {
    state.withLock { state in
      guard !state.isExpired, let job = state.job else { return nil }
      guard job.nanoseconds + (clock.now - state.since) > limit + state.allowance else {
        return nil
      }
      state.isExpired = true
      return job
    }
  }
}
