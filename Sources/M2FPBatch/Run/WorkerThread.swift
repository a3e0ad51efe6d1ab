// Where the compiler finds pthread_attr_t first.
import CDispatch
import Foundation
import M2FPFiles
import M2FPResults

/// A thread that can be waited for, with a stack for libtorch and OpenMP.
///
/// Foundation's `Thread` cannot be joined: it is not over when its block is.
final class WorkerThread {
  private var handle: pthread_t = 0

  /// Starts `body` on a new thread.
  init(_ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 16 << 20)
    let started = pthread_create(
      &handle, &attributes,
      { box in
        guard let box else { return nil }
        Unmanaged<Body>.fromOpaque(box).takeRetainedValue().run()
        return nil
      }, Unmanaged.passRetained(Body(body)).toOpaque())
    precondition(started == 0, "the system cannot start another thread")
  }

  /// Waits until the thread is over, its thread-local destructors included. Once only.
  func join() {
    pthread_join(handle, nil)
  }

  /// Lets the thread run on unwaited for. Instead of ``join()``.
  func detach() {
    pthread_detach(handle)
  }

  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }
}
