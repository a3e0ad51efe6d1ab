import ArgumentParser
import Logging
import M2FPBatch
import M2FPCore
import M2FPExport
import M2FPFiles
import M2FPResults
import SystemPackage

/// Options of `parse` that write one thing about all photos.
struct ExportOptions: ParsableArguments {
  @Option(
    name: .customLong("export"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      """
      Afterwards export all photos, those that were current included. May be repeated. coco=FILE.json: \
      COCO instances, persons and parts; lip=DIR: as the LIP and CIHP challenges take it; \
      yolo=DIR: a data set for Ultralytics; labels=DIR: plain 8-bit label maps. All but labels tell \
      persons apart, as --persons does.
      """, valueName: "format=path"))
  var exports: [ExportArgument] = []

  @Option(
    help: ArgumentHelp(
      """
      Afterwards write a page to look through: thumbnails, colour maps, overlays, shares, failures. \
      One file where the name ends in .html; else a folder, for thousands of photos: open its \
      index.html.
      """, valueName: "file.html|dir"))
  var sheet: FilePath?

  /// Whether persons must be told apart for an export.
  var needPersons: Bool { requests.contains(where: \.needsPersons) }

  /// What is to be written.
  var requests: [ExportRequest] {
    exports.map(\.request) + (sheet.map { [ExportRequest(.sheet, path: $0)] } ?? [])
  }

  /// What writes them when a run is over, with as much memory as that may have.
  func reporters(
    _ context: Exporter.Context, files: [PlannedFile], memoryLimit: Int?, logger: Logger
  ) -> [any Reporter] {
    let exporter = Exporter(context, threads: CPUBudget.current().usable)
    return requests.map {
      ExportReporter(
        $0, exporter: exporter, files: files, memoryLimit: memoryLimit, logger: logger)
    }
  }

  func validate() throws {
    var paths: Set<FilePath> = []
    for request in requests where !paths.insert(request.path).inserted {
      throw ValidationError("Two exports go to \(request.path): give each a path of its own.")
    }
  }
}

/// `coco=FILE.json`.
struct ExportArgument: ExpressibleByArgument, Equatable {
  let request: ExportRequest

  static let kinds = ExportRequest.Kind.allCases.filter { $0 != .sheet }

  init?(argument: String) {
    guard let split = argument.firstIndex(of: "="),
      let kind = ExportRequest.Kind(rawValue: String(argument[..<split])),
      Self.kinds.contains(kind), split != argument.index(before: argument.endIndex)
    else { return nil }
    guard let path = FilePath(argument: String(argument[argument.index(after: split)...])) else {
      return nil
    }
    request = ExportRequest(kind, path: path)
  }

  static var allValueStrings: [String] { kinds.map { $0.rawValue + "=PATH" } }
  static var defaultCompletionKind: CompletionKind { .list(kinds.map(\.rawValue)) }
}

extension M2FPCommand {
  /// Joins `--export coco FILE.json`, the form of version 0.1, to `--export coco=FILE.json`.
  static func joiningPairs(_ arguments: [String]) -> [String] {
    var result: [String] = []
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      result.append(argument)
      if argument == "--" { break }
      if argument == "--export", rest.count >= 2, let format = rest.first,
        ExportArgument.kinds.contains(where: { $0.rawValue == format })
      {
        rest.removeFirst()
        result.append("\(format)=\(rest.removeFirst())")
      }
    }
    return result + rest
  }
}

/// Writes one export of a run when it is over.
final class ExportReporter: Reporter {
  private let request: ExportRequest
  private let exporter: Exporter
  private let files: [PlannedFile]
  private let memoryLimit: Int?
  private let logger: Logger
  private var failures: [FilePath: FileFailure] = [:]

  init(
    _ request: ExportRequest, exporter: Exporter, files: [PlannedFile], memoryLimit: Int?,
    logger: Logger
  ) {
    self.request = request
    self.exporter = exporter
    self.files = files
    self.memoryLimit = memoryLimit
    self.logger = logger
  }

  func add(_ outcome: Outcome) {
    if case .failed(let failure) = outcome.result { failures[outcome.input.path] = failure }
  }

  func finish(_ summary: BatchSummary) throws(RunFailure) {
    if summary.remaining > 0 {
      logger.warning(
        "\(request.path) is not written, as \(summary.remaining) photos are left: run again")
      return
    }
    let written = try exporter.run(
      request, files: files, failures: failures,
      memory: .memory(threads: exporter.threads, ceiling: memoryLimit))
    for photo in written.failures {
      logger.warning("not in \(request.path): \(photo.path): \(photo.failure.text)")
    }
    logger.info(
      """
      wrote \(request.path) (\(request.kind.rawValue)): \(written.photos) photos\
      \(written.leftOut > 0 ? ", \(written.leftOut) without results left out" : "")
      """)
  }
}
