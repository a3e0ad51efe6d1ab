import ArgumentParser
import FoundationEssentials
import Glibc
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
    write(Data((text + "\n").utf8))
  }

  /// Writes a file on standard output.
  static func write(_ file: Data) {
    // What came behind a gap would be taken for the whole.
    guard outputError.withLock({ $0 == nil }) else { return }
    if let code = write(file, to: STDOUT_FILENO) {
      outputError.withLock { $0 = $0 ?? code }
    }
  }

  static func writeError(_ text: TerminalText) {
    writeError(machineReadable: text.text)
  }

  static func writeError(machineReadable text: String) {
    _ = write(Data(text.utf8), to: STDERR_FILENO)
  }

  /// Returns the error, if any.
  private static func write(_ file: Data, to descriptor: Int32) -> Int32? {
    var rest = file[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
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

  private static let terminalIsDumb = environment["TERM"] == "dumb"

  private static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1 && !terminalIsDumb
  }

  /// Whether standard error goes to a terminal on which a line can be drawn anew.
  static let errorIsTerminal = isTerminal(STDERR_FILENO)

  /// Whether the terminal shows more than ASCII, as the locale says.
  static let showsUnicode: Bool = {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }
      .first { !$0.isEmpty }
    return (locale ?? "C").lowercased().replacing("-", with: "").contains("utf8")
  }()

  /// When there are colours.
  enum Colour: String, CaseIterable, ExpressibleByArgument {
    case auto, always, never
  }

  private static let colour = Locked(Colour.auto)

  /// What `--color` says.
  static func choose(_ choice: Colour) {
    colour.withLock { $0 = choice }
  }

  /// Whether standard output takes colours (https://no-color.org).
  static var outputTakesColour: Bool { takesColour(STDOUT_FILENO) }

  /// Whether standard error takes colours.
  static var errorTakesColour: Bool { takesColour(STDERR_FILENO) }

  private static func takesColour(_ descriptor: Int32) -> Bool {
    switch colour.withLock({ $0 }) {
    case .always: true
    case .never: false
    case .auto: isTerminal(descriptor) && (environment["NO_COLOR"] ?? "").isEmpty
    }
  }

  private static let environment = ProcessInfo.processInfo.environment

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
