import Dispatch
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization

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
    var isExpired = false
  }

  private let state = Locked(State())

  /// Works on `file`.
  ///
  /// - Returns: What `body` returned; nil if the thread was abandoned meanwhile and must end without
  ///   a word.
  func watch<Result>(_ file: FileJob, _ body: () -> Result) -> Result? {
    state.withLock { $0 = State(file: file, since: DispatchTime.now().uptimeNanoseconds) }
    let result = body()
    let hasExpired = state.withLock { state in
      file.add(DispatchTime.now().uptimeNanoseconds - state.since)
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
      let now = DispatchTime.now().uptimeNanoseconds
      guard file.nanoseconds + (now - state.since) > limit else { return nil }
      state.isExpired = true
      return file
    }
  }
}
