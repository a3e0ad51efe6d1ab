import Dispatch
import FoundationEssentials
import Glibc
import Logging
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Tells someone how a run goes. Called on one thread.
protocol Reporter {
  func add(_ outcome: Outcome)
  /// A symbolic link of another user that is not followed.
  func leftOut(_ link: FilePath)
  func finish(_ summary: BatchSummary) throws(RunFailure)
}

extension Reporter {
  func leftOut(_ link: FilePath) {}

  /// What people are told of it.
  static var leftOutReason: String {
    "left out: it is a symbolic link, and not one that --links follows"
  }
}

/// For people, on standard error: a progress bar on a terminal, a line for each file elsewhere.
final class ProgressReporter: Reporter {
  private let total: Int
  private let quiet: Bool
  private let logger: Logger
  private let showsBar: Bool
  private let start = DispatchTime.now().uptimeNanoseconds
  private var done = 0
  private var parsed = 0
  private var failed = 0
  /// Of a dry run.
  private var rendered = 0

  init(total: Int?, quiet: Bool, logger: Logger) {
    self.total = total ?? 0
    self.quiet = quiet
    self.logger = logger
    showsBar = !quiet && total != nil && Console.errorIsTerminal
    drawBar()
  }

  func add(_ outcome: Outcome) {
    done += 1
    clearBar()
    for warning in outcome.warnings {
      logger.warning("\(outcome.input.path): \(warning)")
    }
    switch outcome.result {
    case .failed(let failure):
      failed += 1
      let label: TerminalText = Console.errorTakesColour ? "\u{1B}[31mfailed\u{1B}[0m" : "failed"
      Console.writeError(
        "\(label) (\(failure.stage.rawValue)) \(outcome.input.path): \(failure.text)\n")
    case .parsed(let sidecar):
      parsed += 1
      if !quiet && !showsBar {
        Console.writeError("parsed \(outcome.input.path): \(Self.describe(sidecar))\n")
      }
    case .cached(let sidecar):
      if !quiet && !showsBar {
        Console.writeError("cached \(outcome.input.path): \(Self.describe(sidecar))\n")
      }
    case .rendered(let sidecar):
      if !quiet && !showsBar {
        Console.writeError("rendered \(outcome.input.path): \(Self.describe(sidecar))\n")
      }
    case .edited(let sidecar):
      if !quiet && !showsBar {
        Console.writeError(
          "edited \(outcome.input.path): kept as corrected; \(Self.describe(sidecar))\n")
      }
    case .current:
      logger.debug("\(outcome.input.path): current")
    case .planned(let change):
      if change.action == .render { rendered += 1 }
      if !quiet { Console.writeError("\(Self.describe(change, of: outcome))\n") }
    }
    for path in outcome.removed {
      logger.info("\(outcome.outputs.folder.appending(path.components)): removed, out of date")
    }
    drawBar()
  }

  func leftOut(_ link: FilePath) {
    clearBar()
    logger.warning("\(link): \(Self.leftOutReason)")
    drawBar()
  }

  func finish(_ summary: BatchSummary) {
    clearBar()
    guard !quiet else { return }
    var counts =
      summary.planned > 0
      ? ["\(summary.planned) would be \(rendered == summary.planned ? "rendered" : "parsed")"]
      : summary.parsed > 0 || summary.rendered == 0 ? ["\(summary.parsed) parsed"] : []
    if rendered > 0, rendered < summary.planned {
      counts = [
        "\(summary.planned - rendered) would be parsed", "\(rendered) would be rendered",
      ]
    }
    if summary.cached > 0 { counts.append("\(summary.cached) from the cache") }
    if summary.rendered > 0 { counts.append("\(summary.rendered) rendered") }
    if summary.edited > 0 { counts.append("\(summary.edited) edited by hand, left so") }
    if summary.current > 0 { counts.append("\(summary.current) already current") }
    if summary.failed > 0 { counts.append("\(summary.failed) failed") }
    if summary.remaining > 0 { counts.append("\(summary.remaining) left for the next run") }
    if summary.removed > 0 { counts.append("\(summary.removed) outdated outputs removed") }
    let rate = summary.wallSeconds > 0 ? Double(summary.parsed) / summary.wallSeconds : 0
    Console.writeError(
      """
      \(counts.joined(separator: ", ")) in \(Self.duration(summary.wallSeconds)) \
      (\(summary.parsed > 0 ? Self.rate(rate) + ", " : "")\
      peak memory \(ByteCount(summary.peakMemory)))

      """)
    if summary.leftOut.total > 0 {
      Console.writeError("\(summary.leftOut.total) left out: \(summary.leftOut.text())\n")
    }
  }

  /// "would render a.jpg: other options (overlay); writes a.m2fp.overlay.jpg; replaces …".
  private static func describe(_ change: PlannedChange, of outcome: Outcome) -> TerminalText {
    let options = change.reason.options.joined(separator: ", ")
    var parts = [change.reason.name + (options.isEmpty ? "" : " (\(options))")]
    for (verb, paths) in [
      ("writes", change.written), ("replaces", change.replaced), ("removes", change.removed),
    ] where !paths.isEmpty {
      // A folder stands for the masks that nobody can know yet.
      let names = paths.map { $0.string + ($0 == outcome.outputs.masks ? "/" : "") }
      parts.append(verb + " " + names.joined(separator: ", "))
    }
    return
      "would \(change.action.rawValue) \(outcome.input.path): \(parts.joined(separator: "; "))"
  }

  /// "2 persons: hair, face, upper-clothes".
  private static func describe(_ sidecar: Sidecar) -> String {
    let names = sidecar.classes.filter { $0.index > 0 }.map { ClassNames.slug($0.name) }
    if names.isEmpty { return "nobody found" }
    let count = sidecar.persons?.count ?? 0
    let people = count == 0 ? "" : count == 1 ? "1 person: " : "\(count) persons: "
    return people + names.joined(separator: ", ")
  }

  // MARK: - The bar

  private func clearBar() {
    if showsBar { Console.writeError("\r\u{1B}[K") }
  }

  private func drawBar() {
    guard showsBar, done < total else { return }
    let elapsed = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
    var text = " \(done)/\(total)"
    // Files that were already current took no time worth extrapolating.
    if parsed > 0 && elapsed > 0 {
      let rate = Double(parsed + failed) / elapsed
      text += "  \(Self.rate(rate))  \(Self.duration(Double(total - done) / rate)) left"
    }
    if failed > 0 { text += "  \(failed) failed" }
    let width = min(40, Self.terminalWidth() - text.count - 3)
    guard width >= 5 else {
      Console.writeError("\r\(text.trimmed)")
      return
    }
    let filled = total > 0 ? width * done / total : width
    let (full, empty) = Console.showsUnicode ? ("█", "░") : ("#", ".")
    let bar =
      String(repeating: full, count: filled) + String(repeating: empty, count: width - filled)
    Console.writeError("\r\(bar)\(text)")
  }

  private static func terminalWidth() -> Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  static func rate(_ perSecond: Double) -> String {
    perSecond >= 1 || perSecond == 0
      ? "\((perSecond * 10).rounded() / 10) images/s"
      : "\((1 / perSecond * 10).rounded() / 10) s/image"
  }

  static func duration(_ seconds: Double) -> String {
    if seconds < 10 { return "\((seconds * 10).rounded() / 10) s" }
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }
}

/// For programs, on standard output: one JSON object a line.
final class JSONReporter: Reporter {
  private let encoder: JSONEncoder

  init() {
    encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  }

  func add(_ outcome: Outcome) {
    let seconds = Dictionary(
      uniqueKeysWithValues: outcome.seconds.seconds.map { ($0.key.rawValue, $0.value) })
    var line = FileLine(
      outcome.input.path, status: "parsed", warnings: outcome.warnings, seconds: seconds)
    switch outcome.result {
    case .parsed(let sidecar), .cached(let sidecar), .rendered(let sidecar), .edited(let sidecar):
      line.status =
        switch outcome.result {
        case .cached: "cached"
        case .rendered: "rendered"
        case .edited: "edited"
        default: "parsed"
        }
      line.sidecar = outcome.outputs.sidecarPath.string
      line.classes = sidecar.classes.filter { $0.index > 0 }.map(\.name)
      line.humans = sidecar.humans.count
    case .current:
      line.status = "current"
      line.sidecar = outcome.outputs.sidecarPath.string
    case .planned(let change):
      line.status = "planned"
      line.action = change.action.rawValue
      line.reason = change.reason.name
      line.options = change.reason.options
      line.written = change.written.map(\.string)
      line.replaced = change.replaced.map(\.string)
      line.removed = change.removed.map(\.string)
    case .failed(let failure):
      line.status = "failed"
      line.stage = failure.stage
      line.code = failure.code
      line.message = failure.text
    }
    if !outcome.removed.isEmpty { line.removed = outcome.removed.map(\.string) }
    write(line)
  }

  func leftOut(_ link: FilePath) {
    var line = FileLine(link, status: "left-out")
    line.message = Self.leftOutReason
    write(line)
  }

  func finish(_ summary: BatchSummary) {
    write(
      SummaryLine(
        summary: .init(
          parsed: summary.parsed, cached: summary.cached, rendered: summary.rendered,
          edited: summary.edited, current: summary.current, planned: summary.planned,
          failed: summary.failed, leftOut: summary.leftOut.total,
          leftOutByKind: Dictionary(
            uniqueKeysWithValues: summary.leftOut.counts.map { ($0.key.name, $0.value) }),
          remaining: summary.remaining, removed: summary.removed, seconds: summary.wallSeconds,
          peakMemory: summary.peakMemory)))
  }

  private func write(_ line: some Encodable) {
    do {
      Console.writeLine(machineReadable: String(decoding: try encoder.encode(line), as: UTF8.self))
    } catch {
      preconditionFailure("a report line is always encodable: \(error)")
    }
  }

  private struct FileLine: Encodable {
    let file: String
    /// The bytes of a path that is not UTF-8, in Base64.
    let file_bytes: String?
    var status: String
    var sidecar: String?
    var classes: [String]?
    var humans: Int?
    var stage: Stage?
    var code: FileFailure.Code?
    var message: String?
    /// What a dry run would do, why, which options differ, and to which outputs.
    var action: String?
    var reason: String?
    var options: [String]?
    var written: [String]?
    var replaced: [String]?
    var removed: [String]?
    let warnings: [String]
    let seconds: [String: Double]

    init(
      _ path: FilePath, status: String, warnings: [String] = [], seconds: [String: Double] = [:]
    ) {
      file = path.string
      file_bytes = path.utf8Text == nil ? path.bytes.base64Text : nil
      self.status = status
      self.warnings = warnings
      self.seconds = seconds
    }
  }

  private struct SummaryLine: Encodable {
    struct Summary: Encodable {
      let parsed: Int
      let cached: Int
      let rendered: Int
      let edited: Int
      let current: Int
      let planned: Int
      let failed: Int
      let leftOut: Int
      let leftOutByKind: [String: Int]
      let remaining: Int
      let removed: Int
      let seconds: Double
      let peakMemory: Int

      enum CodingKeys: String, CodingKey {
        case parsed, cached, rendered, edited, current, planned, failed, remaining, removed, seconds
        case leftOut = "left_out"
        case leftOutByKind = "left_out_by_kind"
        case peakMemory = "peak_memory"
      }
    }
    let summary: Summary
  }
}
