// Where the compiler finds pthread_attr_t first.
import CDispatch
import CThreadCalls
import Dispatch
import Glibc
import M2FPCore
import SystemPackage

/// A thread that can be waited for, with a stack for libtorch and OpenMP.
///
/// Foundation's `Thread` cannot be joined: it is not over when its block is.
package final class WorkerThread {
  private var handle: pthread_t = 0

  /// Starts `body` on a new thread.
  ///
  /// - Parameters:
  ///   - cpus: What it and the threads that it starts keep to, from the beginning; nil for all CPUs
  ///     of the process.
  ///   - body: What it does.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` where the system starts no more,
  ///   or none on these CPUs.
  package init(cpus: [Int]? = nil, _ body: @escaping @Sendable () -> Void) throws(RunFailure) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, 16 << 20)
    var reason =
      cpus.map { m2fp_keep_to_cpus(&attributes, $0.map(Int32.init), Int32($0.count)) } ?? 0
    let body = Unmanaged.passRetained(Body(body))
    if reason == 0 {
      reason = pthread_create(
        &handle, &attributes,
        { box in
          guard let box else { return nil }
          Unmanaged<Body>.fromOpaque(box).takeRetainedValue().run()
          return nil
        }, body.toOpaque())
    }
    guard reason == 0 else {
      body.release()
      if let cpus, reason == EINVAL {
        throw RunFailure(
          .temporary,
          "no worker can be kept to CPU \(cpus.map(String.init).joined(separator: ", ")), which this "
            + "process may use no longer",
          underlying: Errno(rawValue: reason))
      }
      throw RunFailure(
        .temporary, "the system starts no further thread for this user or process",
        detail: .tooFewThreads, underlying: Errno(rawValue: reason))
    }
  }

  /// Whether as many threads can be started as a run needs, those of libraries among them, which end
  /// the process where they cannot.
  ///
  /// - Throws: As ``init(_:)``.
  package static func check(_ count: Int) throws(RunFailure) {
    let go = DispatchSemaphore(value: 0)
    var threads: [WorkerThread] = []
    defer {
      for _ in threads { go.signal() }
      for thread in threads { thread.join() }
    }
    for _ in 0..<count { threads.append(try WorkerThread { go.wait() }) }
  }

  /// Waits until the thread is over, its thread-local destructors included. Once only.
  package func join() {
    pthread_join(handle, nil)
  }

  /// Lets the thread run on unwaited for. Instead of ``join()``.
  package func detach() {
    pthread_detach(handle)
  }

  private final class Body {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
      self.run = run
    }
  }
}
