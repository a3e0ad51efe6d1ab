import ArgumentParser
import Foundation
import Logging
import M2FPCore

/// Standard output and standard error.
///
/// A full disk or a closed pipe behind either must not end a batch: what cannot be written is
/// dropped, and ``exiting(_:)`` tells of standard output at the end.
enum Console {
  private static let outputError = Locked<Int32?>(nil)

  static func writeLine(_ text: String) {
    if let code = write(text + "\n", to: STDOUT_FILENO) {
      outputError.withLock { $0 = $0 ?? code }
    }
  }

  static func writeError(_ text: String) {
    _ = write(text, to: STDERR_FILENO)
  }

  /// Returns the error, if any.
  private static func write(_ text: String, to descriptor: Int32) -> Int32? {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 && errno == EINTR { continue }
      if written < 0 { return errno }
      rest = rest.dropFirst(written)
    }
    return nil
  }

  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  /// Whether standard output takes colours (https://no-color.org).
  static let outputTakesColour = isatty(STDOUT_FILENO) == 1 && !colourIsRefused

  /// Whether standard error takes colours.
  static let errorTakesColour = errorIsTerminal && !colourIsRefused

  private static let colourIsRefused: Bool = {
    let environment = ProcessInfo.processInfo.environment
    return !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
  }()

  /// Runs the body of a command; turns a ``RunFailure`` into its message and exit code.
  static func exiting(
    _ logger: Logger = LogFormat.text.logger(.error), _ body: () throws -> Void
  ) throws {
    var code: Int32 = 0
    do {
      try body()
    } catch let exit as ExitCode {
      code = exit.rawValue
    } catch let failure as RunFailure {
      logger.error("\(failure.message)")
      code = failure.kind.rawValue
    }
    if let reason = outputError.withLock({ $0.take() }) {
      logger.error("cannot write to standard output: \(String(cString: strerror(reason))).")
      code = ExitStatus.code(code, then: RunFailure.Kind.outputNotWritable.rawValue)
    }
    if code != 0 { throw ExitCode(code) }
  }
}
