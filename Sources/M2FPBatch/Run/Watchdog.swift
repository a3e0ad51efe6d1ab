import Dispatch
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization

/// Time that goes on only while somebody looks: what a process is stopped for (SIGSTOP), or a machine
/// is suspended, passes in no time.
final class RunningClock: Sendable {
  private let nanoseconds = Atomic<UInt64>(0)
  private let last: Locked<UInt64>

  init(uptime: UInt64 = DispatchTime.now().uptimeNanoseconds) {
    last = Locked(uptime)
  }

  /// Nanoseconds.
  var now: UInt64 { nanoseconds.load(ordering: .relaxed) }

  /// Moves on, as far as time has passed since this was last called.
  ///
  /// - Parameters:
  ///   - most: Nanoseconds by which it moves at most: beyond them, nobody can have been running.
  ///   - uptime: The system's time.
  func advance(atMost most: UInt64, uptime: UInt64 = DispatchTime.now().uptimeNanoseconds) {
    let passed = last.withLock { last in
      defer { last = max(last, uptime) }
      return uptime > last ? uptime - last : 0
    }
    nanoseconds.wrappingAdd(min(passed, most), ordering: .relaxed)
  }
}

/// A file on its way through the threads of a run, with the time that it has taken so far.
///
/// Waiting between two threads does not count: it is other files' time.
final class FileJob: Sendable {
  let file: CheckedFile
  private let spent = Atomic<UInt64>(0)

  init(_ file: CheckedFile) {
    self.file = file
  }

  /// Nanoseconds.
  var nanoseconds: UInt64 { spent.load(ordering: .relaxed) }

  func add(_ nanoseconds: UInt64) {
    spent.wrappingAdd(nanoseconds, ordering: .relaxed)
  }
}

/// What one thread holds at the moment, so that another can tell when it takes too long.
///
/// Neither libtorch nor a file system that hangs can be interrupted. A thread that takes too long is
/// abandoned: its file is declared failed and another thread takes its place. Under the lock of its
/// hand it is settled which came first, the thread's return or its being abandoned.
final class Watchdog: Sendable {
  private struct State {
    var file: FileJob?
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

  /// Works on `file`.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - allowance: Nanoseconds of this that do not count as its time.
  ///   - body: The work.
  /// - Returns: What `body` returned; nil if the thread was abandoned meanwhile and must end without
  ///   a word.
  func watch<Result>(
    _ file: FileJob, allowance: UInt64 = 0, _ body: () -> Result
  ) -> Result? {
    state.withLock { $0 = State(file: file, since: clock.now, allowance: allowance) }
    let result = body()
    let hasExpired = state.withLock { state in
      let spent = clock.now - state.since
      file.add(spent - min(spent, allowance))
      state.file = nil
      return state.isExpired
    }
    return hasExpired ? nil : result
  }

  /// Abandons the thread if it has a file in hand that has taken longer than `limit` nanoseconds.
  ///
  /// - Returns: The file, if so.
  func expire(after limit: UInt64) -> FileJob? {
    state.withLock { state in
      guard !state.isExpired, let file = state.file else { return nil }
      guard file.nanoseconds + (clock.now - state.since) > limit + state.allowance else {
        return nil
      }
      state.isExpired = true
      return file
    }
  }
}
