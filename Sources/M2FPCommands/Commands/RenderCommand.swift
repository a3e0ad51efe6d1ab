import ArgumentParser
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPExport
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Makes outputs of what was found before.
struct RenderCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp render photos/ --overlay", "overlays of what was found"),
    Example("m2fp render photos/ --export coco=people.json", "all of it for another program"),
  ]

  static let explanation = """
    Renders what 'm2fp parse' has found, and colour maps that you have corrected. Photos are needed \
    only by outputs that show them. A colour map that was edited by hand is left as it is; all else \
    is made of it.
    """

  static let configuration = CommandConfiguration(
    commandName: "render",
    abstract: "Make outputs of results that are there: no model is needed, and no network runs.",
    usage: "m2fp render [<options>] <folder or file> ...",
    discussion: discussion)

  @Argument(
    help: "Folders with results, or single photos, colour maps or sidecars.", completion: .file())
  var paths: [FilePath]

  @Option(
    help: ArgumentHelp(
      "Where the photos lie, in the tree of the results. Default: beside the results.",
      valueName: "dir"), completion: .directory)
  var photos: FilePath?

  @Option(
    help: ArgumentHelp("Masks to write: all, none, or class names.", valueName: "all|none|a,b,..."),
    completion: .classList)
  var masks = "all"

  @OptionGroup(title: "Masks")
  var maskOptions: MaskOptions

  @OptionGroup(title: "Persons")
  var personOutputs: PersonOutputOptions

  @OptionGroup(title: "Pictures")
  var pictures: RenderingOptions

  @OptionGroup(title: "Classes")
  var labelSet: LabelSetOptions

  @OptionGroup(title: "Exports")
  var exports: ExportOptions

  @Option(
    name: [.customShort("j", allowingJoined: true), .long],
    help: "Threads. Default: one for each CPU that the process may use.")
  var jobs: Int?

  @Flag(name: .shortAndLong, help: "Make also outputs that are there already.")
  var force = false

  @Flag(
    name: [.customShort("n"), .long], help: "Say what would be done and why, and write nothing.")
  var dryRun = false

  @Option(
    help: ArgumentHelp(
      "When another run writes in the same folder: wait for it, fail with 75, or do not look.",
      valueName: "wait|fail|off"))
  var lock = OutputLock.Mode.fail

  @OptionGroup(title: "Messages and metrics")
  var messages: MessageOptions

  @OptionGroup var configuration: ConfigurationOptions

  func validate() throws {
    if paths.isEmpty {
      throw ValidationError("Name the folders that hold the results (m2fp render photos/).")
    }
    if let jobs, !(1...1024).contains(jobs) { throw ValidationError("--jobs is 1 to 1024.") }
    try OptionConflicts.check(
      pictures.given.union(maskOptions.given).union(personOutputs.given).union(
        exports.needPersons ? ["persons"] : []))
  }

  func run() throws {
    try messages.telling(ofDryRun: dryRun, render)
  }

  private func render(_ logger: Logger, _ metrics: RunMetrics?) throws {
    let cancellation = Cancellation(timeLimit: nil)
    let signals = SignalWatch(cancellation, logger)
    defer { signals.stop() }
    var locks = try OutputLock.acquire(
      Selection(paths: paths), out: nil, mode: dryRun ? .off : lock, cancellation: cancellation
    ) { path in
      logger.notice("waiting for the run that holds \(path)")
    }
    defer { locks.removeAll() }
    let files = try ResultDiscovery.files(under: paths, photos: photos)
    try Exporter.check(exports.requests, files: files, probing: !dryRun)
    let first = try Self.first(files)
    let labels = try labelSet.resolve(
      modelClasses: first.modelClasses, classes: first.classes, palette: first.palette)

    let outputs = try pictures.selection(
      masks: masks, maskOptions.operations, persons: personOutputs, exports: exports,
      classes: labels.classes,
      palette: labels.palette)
    var options = BatchOptions()
    // What was parsed is within the limits that it was parsed with.
    options.maxFileSize = 4095 << 20
    options.force = force
    options.version = Version.current
    let batch = Batch(
      rendering: ResultEncoder(outputs, classes: labels.classes), remap: labels.remap,
      options: options)
    let checked = batch.check(files, cancellation: cancellation)

    var reporters = RunReporters(
      list: messages.reporters(total: files.count, logger: logger), logger: logger)
    if let metrics { reporters.list.append(metrics) }
    if !dryRun {
      reporters.list += exports.reporters(
        Exporter.Context(
          classes: labels.classes, palette: labels.palette, model: first.model,
          version: Version.current, explain: \.text), files: files, memoryLimit: nil,
        logger: logger)
    }
    let threads = ThreadPlan(
      jobs: jobs, threads: 1, files: checked.dueCount, budget: CPUBudget.current())
    let summary =
      dryRun
      ? batch.dryRun(checked, cancellation: cancellation, report: reporters.add)
      : batch.run(checked, on: threads, cancellation: cancellation, report: reporters.add)
    try reporters.finish(summary, signal: signals.received)
  }

  /// What the first result that can be read says for all: a run is in one set of classes.
  private struct First {
    let model: String
    let modelClasses: [String]
    let classes: [String]
    let palette: [RGB]
  }

  private static func first(_ files: [PlannedFile]) throws(RunFailure) -> First {
    for file in files where file.input.failure == nil {
      guard let sidecar = Sidecar.read(of: file.outputs), let labels = sidecar.labels
      else { continue }
      let colours = sidecar.options.palette.compactMap(RGB.init(hex:))
      guard colours.count >= labels.names.count else { continue }
      return First(
        model: sidecar.model.name, modelClasses: sidecar.raw?.names ?? labels.names,
        classes: labels.names, palette: colours)
    }
    throw RunFailure(
      .noInput, "no result says what it was found with: they are of m2fp 0.1", detail: .noResults)
  }
}
