import ArgumentParser
import Foundation
import Logging
import M2FPCore

/// Standard output and standard error.
enum Console {
  static func writeLine(_ text: String) {
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  static func writeError(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
  }

  static var errorIsTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  /// Whether standard output takes colours (https://no-color.org).
  static var outputTakesColour: Bool {
    isatty(STDOUT_FILENO) == 1 && !colourIsRefused
  }

  /// Whether standard error takes colours.
  static var errorTakesColour: Bool { errorIsTerminal && !colourIsRefused }

  private static var colourIsRefused: Bool {
    let environment = ProcessInfo.processInfo.environment
    return !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
  }

  /// Runs the body of a command; turns a ``RunFailure`` into its message and exit code.
  static func exiting(_ body: () throws -> Void) throws {
    do {
      try body()
    } catch let failure as RunFailure {
      writeError("m2fp: error: \(failure.message)\n")
      throw ExitCode(failure.kind.rawValue)
    }
  }
}

/// Sends log messages to standard error as `m2fp: warning: message`.
struct ConsoleLogHandler: LogHandler {
  var logLevel = Logger.Level.info
  var metadata = Logger.Metadata()

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    Console.writeError("m2fp: \(event.level): \(event.message)\n")
  }
}
