import Dispatch
import Glibc
import Logging
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults

/// Turns the first SIGINT or SIGTERM into a cancellation; a second one ends the process at once.
///
/// Either way every output on disk is whole: files appear only by rename.
final class SignalWatch: Sendable {
  private let first = Locked<Int32?>(nil)
  nonisolated(unsafe) private var sources: [any DispatchSourceSignal] = []

  init(_ cancellation: Cancellation, _ logger: Logger) {
    for number in [SIGINT, SIGTERM] {
      // The default action would end the process before the source hears of it.
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { [weak self] in
        let isSecond =
          self?.first.withLock { first in
            defer { first = first ?? number }
            return first != nil
          } ?? false
        if isSecond { _exit(128 + number) }
        cancellation.cancel(.interrupted)
        logger.notice("stopping after the files in hand; once more to stop at once")
      }
      source.resume()
      sources.append(source)
    }
  }

  /// The first signal that came, if any.
  var received: Int32? { first.withLock { $0 } }

  func stop() {
    for source in sources { source.cancel() }
  }
}
