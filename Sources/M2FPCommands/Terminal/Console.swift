import ArgumentParser
import Foundation
import Logging
import M2FPCore
import SystemPackage

/// Standard output and standard error.
///
/// A full disk or a closed pipe behind either must not end a batch: what cannot be written is
/// dropped, and ``exiting(_:)`` tells of standard output at the end.
enum Console {
  private static let outputError = Locked<Int32?>(nil)

  /// Writes a line for people on standard output.
  static func writeLine(_ text: TerminalText) {
    writeLine(machineReadable: text.text)
  }

  /// Writes a line for programs, which have rules of their own for what is escaped.
  static func writeLine(machineReadable text: String) {
    // What came behind a gap would be taken for the whole.
    guard outputError.withLock({ $0 == nil }) else { return }
    if let code = write(text + "\n", to: STDOUT_FILENO) {
      outputError.withLock { $0 = $0 ?? code }
    }
  }

  static func writeError(_ text: TerminalText) {
    writeError(machineReadable: text.text)
  }

  static func writeError(machineReadable text: String) {
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

  /// Whether standard output goes to the file at `path`, and nothing is in it yet.
  static func outputIsEmptyFile(at path: String) -> Bool {
    var (output, file) = (stat(), stat())
    return fstat(STDOUT_FILENO, &output) == 0 && stat(path, &file) == 0
      && output.st_mode & S_IFMT == S_IFREG && output.st_size == 0
      && output.st_dev == file.st_dev && output.st_ino == file.st_ino
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
      logger.error("\(failure.text)")
      code = failure.kind.exitCode
    }
    if let reason = outputError.withLock({ $0.take() }) {
      logger.error("cannot write to standard output: \(Errno(rawValue: reason).reason).")
      code = ExitStatus.code(code, then: RunFailure.Kind.outputNotWritable.exitCode)
    }
    if code != 0 { throw ExitCode(code) }
  }
}
