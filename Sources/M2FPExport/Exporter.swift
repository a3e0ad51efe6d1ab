import Dispatch
import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import Synchronization
import SystemPackage

/// What is exported, and to where.
public struct ExportRequest: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case coco, lip, yolo, labels
    /// A page to look through, or a folder of one and its pictures.
    case sheet
  }

  public let kind: Kind
  /// A file or a folder (``isFolder``).
  public let path: FilePath

  public init(_ kind: Kind, path: FilePath) {
    self.kind = kind
    self.path = path
  }

  /// Whether the format tells persons apart.
  public var needsPersons: Bool { kind == .coco || kind == .lip || kind == .yolo }

  /// Whether `path` is a folder; of a sheet, where its name does not end in ".html".
  public var isFolder: Bool {
    switch kind {
    case .coco: false
    case .lip, .yolo, .labels: true
    case .sheet: !path.name.ends(with: ".html")
    }
  }
}

/// Exports what a run, and those before it, have left on disk.
///
/// Results are read from sidecars and maps, whatever run they come from, a few photos at a time: the
/// memory needed does not grow with their number.
public struct Exporter: Sendable {
  /// What all formats are told.
  public struct Context: Sendable {
    /// The classes of the results, the background first.
    public let classes: [String]
    /// One colour for each of them.
    public let palette: [RGB]
    /// The model's name.
    public let model: String
    /// The program's version.
    public let version: String
    /// Which symbolic links on the way to a photo are followed.
    public let links: LinkPolicy
    /// How large photos and class maps may be; nil for whatever they were parsed with.
    public let limits: ImageLimits?
    /// What people are told of a failure.
    public let explain: @Sendable (FileFailure) -> String

    public init(
      classes: [String], palette: [RGB], model: String, version: String,
      links: LinkPolicy = .own, limits: ImageLimits? = nil,
      explain: @escaping @Sendable (FileFailure) -> String = \.message
    ) {
      self.links = links
      self.limits = limits
      self.explain = explain
      self.classes = classes
      self.palette = palette
      self.model = model
      self.version = version
    }
  }

  /// What became of an export.
  public struct Summary: Sendable, Equatable {
    public var photos = 0
    /// Photos that have no results, and so are not in it.
    public var leftOut = 0
    /// Of those, the ones whose results could not be read or encoded, and why.
    public var failures: [Failure] = []

    public struct Failure: Sendable, Equatable {
      public let path: FilePath
      public let failure: FileFailure
    }
  }

  private let context: Context
  /// How many photos are read at a time, at most.
  public let threads: Int

  /// - Parameters:
  ///   - context: What all formats are told.
  ///   - threads: How many photos are read at a time, at most.
  public init(_ context: Context, threads: Int) {
    self.context = context
    self.threads = threads
  }

  /// Checks, before any work starts, that an export can go where it is wanted.
  ///
  /// - Parameters:
  ///   - requests: The exports.
  ///   - files: What is to be exported.
  ///   - probing: Whether to try to write there, and make the folders for it.
  /// - Throws: ``RunFailure`` with the remedy.
  public static func check(
    _ requests: [ExportRequest], files: [PlannedFile], probing: Bool
  ) throws(RunFailure) {
    for request in requests {
      var status = stat()
      if !request.isFolder, request.path.withPlatformString({ stat($0, &status) }) == 0,
        status.st_mode & S_IFMT == S_IFDIR
      {
        throw RunFailure(
          .outputNotWritable, "\(request.path) is a folder, and the export is a file: name another")
      }
      if probing { try AtomicFiles.checkWritable(request.path.folder, for: .export) }
    }
    let folders = requests.contains(where: \.isFolder) ? Set(files.map(\.input.path.folder)) : []
    for request in requests where request.isFolder {
      do throws(FileFailure) {
        try AtomicFolder.checkReplaceable(request.path)
      } catch {
        throw .notWritable(.export, error)
      }
      // An export that is itself parsed, or is part of what is, must not be replaced.
      let target = canonical(request.path)
      if let folder = folders.first(where: { canonical($0).starts(with: target) }) {
        throw RunFailure(
          .outputNotWritable,
          "photos lie in \(folder), which the export to \(request.path) would replace: "
            + "export to a folder elsewhere")
      }
    }
    guard !requests.isEmpty else { return }
    var names: [FilePath: FilePath] = [:]
    for file in files where file.input.failure == nil {
      if let other = names.updateValue(file.input.path, forKey: file.exportName) {
        throw RunFailure(
          .outputNotWritable,
          "\(other) and \(file.input.path) would have one name in the export: name the folder "
            + "above both, or export them in two runs")
      }
    }
  }

  /// The path from the root, links resolved as far as it is there.
  private static func canonical(_ path: FilePath) -> FilePath {
    let whole = FilePath(FileManager.default.currentDirectoryPath).pushing(path)
      .lexicallyNormalized()
    var missing: [FilePath.Component] = []
    var existing = whole
    while true {
      if let resolved = existing.withPlatformString({ realpath($0, nil) }) {
        defer { free(resolved) }
        return FilePath(platformString: resolved).appending(missing.reversed())
      }
      guard let last = existing.lastComponent else { return whole }
      missing.append(last)
      existing.removeLastComponent()
    }
  }

  /// Makes one export.
  ///
  /// - Parameters:
  ///   - request: What and where to.
  ///   - files: The photos, in the order they are to have.
  ///   - failures: Why photos have no results, by their paths.
  ///   - memory: Bytes that all threads together hold of what they read.
  /// - Returns: How many photos are in it.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/outputNotWritable``; nothing is left then.
  package func run(
    _ request: ExportRequest, files: [PlannedFile], failures: [FilePath: FileFailure],
    memory: WeightedSemaphore
  ) throws(RunFailure) -> Summary {
    do throws(FileFailure) {
      switch request.kind {
      case .coco:
        return try run(
          COCOExport(path: request.path, classes: context.classes, model: context.model), files,
          failures, memory)
      case .lip:
        return try run(
          LIPExport(path: request.path, palette: context.palette), files, failures, memory)
      case .yolo:
        return try run(
          YOLOExport(path: request.path, classes: context.classes, links: context.links), files,
          failures, memory)
      case .labels:
        return try run(
          LabelsExport(path: request.path, classes: context.classes), files, failures, memory)
      case .sheet:
        return try run(
          SheetExport(path: request.path, isFolder: request.isFolder, context: context), files,
          failures, memory)
      }
    } catch {
      throw .notWritable(.export, error, prefix: "the export to \(request.path) failed: ")
    }
  }

  private func run<Format: ExportFormat>(
    _ format: Format, _ files: [PlannedFile], _ failures: [FilePath: FileFailure],
    _ memory: WeightedSemaphore
  ) throws(FileFailure) -> Summary {
    let writer = try format.makeWriter()
    var summary = Summary()
    // Enough for no thread to wait long for the slowest, and few enough to be held.
    let chunk = threads * 4
    for start in stride(from: 0, to: files.count, by: chunk) {
      let part = files[start..<min(start + chunk, files.count)]
      for (file, record) in zip(part, records(of: Array(part), failures, format, memory)) {
        switch record {
        case .whole(let record, let access):
          try writer.add(record, for: access)
          summary.photos += 1
        case .failed(let failure, let record):
          if let record { try writer.add(record, for: .standard) }
          summary.leftOut += 1
          if failures[file.input.path] == nil {
            summary.failures.append(.init(path: file.input.path, failure: failure))
          }
        }
      }
    }
    try writer.finish()
    return summary
  }

  private enum Made<Record: Sendable>: Sendable {
    /// With who may read the photo.
    case whole(Record, FileAccess)
    case failed(FileFailure, Record?)
  }

  /// Makes the records of some photos, in their order.
  private func records<Format: ExportFormat>(
    of files: [PlannedFile], _ failures: [FilePath: FileFailure], _ format: Format,
    _ memory: WeightedSemaphore
  ) -> [Made<Format.Record>] {
    let made = Locked([Made<Format.Record>?](repeating: nil, count: files.count))
    let next = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: min(threads, files.count)) { _ in
      while true {
        let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard index < files.count else { return }
        let file = files[index]
        let record: Made<Format.Record>
        do throws(FileFailure) {
          if let failure = failures[file.input.path] { throw failure }
          let limits = context.limits ?? .most
          let bytes = file.bytesToRestore(
            limits: limits, fileLimit: Sidecar.sizeLimit,
            photo: format.showsPhotos ? LinkRule(below: file.input.root, context.links) : nil)
          record = try memory.holding(bytes) { () throws(FileFailure) -> Made<Format.Record> in
            let photo = try StoredResult(file, limits: limits)
            return .whole(try format.record(of: photo), photo.access)
          }
        } catch {
          record = .failed(error, format.record(of: FailedPhoto(file: file, failure: error)))
        }
        made.withLock { $0[index] = record }
      }
    }
    return made.withLock { $0.compactMap(\.self) }
  }
}
