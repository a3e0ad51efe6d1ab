import ArgumentParser
import FoundationEssentials
import Logging

/// How messages on standard error look.
enum LogFormat: String, CaseIterable, ExpressibleByArgument {
  /// `m2fp: warning: message`, for people.
  case text
  /// A JSON object a line, for log collectors.
  case json

  /// A logger that writes in this format.
  func logger(_ level: Logger.Level) -> Logger {
    switch self {
    case .text: Logger(label: "m2fp") { _ in TextLogHandler(logLevel: level) }
    case .json: Logger(label: "m2fp") { _ in JSONLogHandler(logLevel: level) }
    }
  }
}

private struct TextLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata = Logger.Metadata()

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    // In place of a progress bar that may be there: it is drawn again.
    let start = Console.errorIsTerminal ? "\r\u{1B}[K" : ""
    Console.writeError("\(own: start)m2fp: \(event.level): \(event.message)\n")
  }
}

/// `{"level":"error","message":"…","time":"2026-11-25T14:30:00.123Z"}`, the metadata among them.
private struct JSONLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata = Logger.Metadata()

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var line = metadata.merging(event.metadata ?? [:]) { $1 }.mapValues { "\($0)" }
    line["time"] = Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    line["level"] = event.level.rawValue
    line["message"] = "\(event.message)"
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let text = try? encoder.encode(line) else { return }
    Console.writeError(machineReadable: String(decoding: text, as: UTF8.self) + "\n")
  }
}
