import Dispatch
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization

/// A file on its way through the threads of a run, with the time that it has taken so far.
///
/// Waiting between two threads does not count: it is other files' time.
final class FileInHand: Sendable {
  let file: ExaminedFile
  private let spent = Atomic<UInt64>(0)

  init(_ file: ExaminedFile) {
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
final class Hand: Sendable {
  private struct State {
    var file: FileInHand?
    var since: UInt64 = 0
    var isAbandoned = false
  }

  private let state = Locked(State())

  /// Works on `file`.
  ///
  /// - Returns: What `body` returned; nil if the thread was abandoned meanwhile and must end without
  ///   a word.
  func hold<Result>(_ file: FileInHand, _ body: () -> Result) -> Result? {
    state.withLock { $0 = State(file: file, since: DispatchTime.now().uptimeNanoseconds) }
    let result = body()
    let wasAbandoned = state.withLock { state in
      file.add(DispatchTime.now().uptimeNanoseconds - state.since)
      state.file = nil
      return state.isAbandoned
    }
    return wasAbandoned ? nil : result
  }

  /// Abandons the thread if it has a file in hand that has taken longer than `limit` nanoseconds.
  ///
  /// - Returns: The file, if so.
  func abandon(after limit: UInt64) -> FileInHand? {
    state.withLock { state in
      guard !state.isAbandoned, let file = state.file else { return nil }
      let now = DispatchTime.now().uptimeNanoseconds
      guard file.nanoseconds + (now - state.since) > limit else { return nil }
      state.isAbandoned = true
      return file
    }
  }
}
