import ArgumentParser
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPExport
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults
import SystemPackage

/// Parses photos.
struct ParseCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp parse photos/", "results beside each photo"),
    Example("m2fp parse photos/ -o parsed/ --overlay", "apart from them, and to look at"),
    Example("m2fp parse photos/ --masks hair,face", "only these masks"),
    Example("m2fp parse photos/ --persons", "each person by itself"),
    Example("m2fp parse photos/ --blur face,hair", "heads made unrecognisable"),
    Example("m2fp parse photos/ --sheet all.html", "one page of all results"),
    Example("m2fp parse photos/ -n", "what would be done, and why"),
    Example("m2fp parse - --output overlay <a.jpg >b.jpg", "one photo, no files"),
  ]

  static let explanation = """
    Next to photo.jpg, or under --out with the same tree:
      photo.m2fp.png    indexed PNG: pixel value = class, palette = colours
      photo.m2fp/*.png  a 1-bit mask for each class: hair.png, left-arm.png, ...
      photo.m2fp.json   what was found, with which model and options
      photo.m2fp.persons.png, .overlay.jpg, .cutout.png, .obscured.jpg   with these options
    A photo whose outputs are current is skipped; one that lacks only outputs is rendered from \
    what was found before. Inputs, and colour maps that you have corrected, are never modified.
    """

  static let configuration = CommandConfiguration(
    commandName: "parse",
    abstract: "Parse photos: a colour map, class masks and a JSON sidecar for each.",
    usage: "m2fp parse [<options>] <photo or folder> ...",
    discussion: discussion)

  @OptionGroup(title: "Used most")
  var usual: UsualOptions

  @OptionGroup(title: "Selection")
  var selection: SelectionOptions

  @OptionGroup(title: "Selection")
  var filter: FilterOptions

  @OptionGroup
  var trust: ModelTrustOptions

  @Option(help: "Cap on the long side of the network's input in pixels; 0 for the model's own.")
  var maxSide = 800

  @Option(
    help: ArgumentHelp(
      "How much is done for a result: fast is the network alone; standard cleans masks where the model "
        + "says how, as m2fp-tiny does (1.1 times the time); best also parses the mirror image (about "
        + "twice the time).",
      valueName: "fast|standard|best"))
  var quality = Quality.standard

  @OptionGroup
  var threading: ThreadOptions

  @OptionGroup
  var arithmetic: PrecisionOption

  @OptionGroup(title: "Masks")
  var maskOptions: MaskOptions

  @OptionGroup(title: "Persons")
  var personOutputs: PersonOutputOptions

  @OptionGroup(title: "Persons")
  var personOptions: PersonOptions

  @OptionGroup(title: "Pictures")
  var pictures: RenderingOptions

  @OptionGroup(title: "Classes")
  var labelSet: LabelSetOptions

  @OptionGroup(title: "Exports")
  var exports: ExportOptions

  @Option(
    help: ArgumentHelp("Name outputs after the stem or the full file name.", valueName: "stem|full")
  )
  var naming = Naming.stem

  @Option(help: "Largest image in megapixels.")
  var maxPixels = 100

  @Option(help: "Largest file in MiB.")
  var maxFileSize = 256

  @Flag(help: "Fail photos that are damaged, such as cut short, also where they can still be read.")
  var strictImages = false

  @Flag(help: "Parse also photos whose colour map was corrected by hand, and lose the corrections.")
  var overwriteEdited = false

  @OptionGroup(title: "Cache")
  var cacheOptions: CacheOptions

  @OptionGroup(title: "Faults and limits")
  var faults: FailureOptions

  @OptionGroup(title: "Memory")
  var memory: MemoryOptions

  @OptionGroup(title: "Messages and metrics")
  var messages: MessageOptions

  @OptionGroup var configuration: ConfigurationOptions

  func validate() throws {
    if maxSide != 0 && maxSide < 64 {
      throw ValidationError("--max-side is 0 (the model's own cap) or at least 64 pixels.")
    }
    if !(1...4000).contains(maxPixels) {
      throw ValidationError("--max-pixels is 1 to 4000 megapixels.")
    }
    if !(1...4095).contains(maxFileSize) {
      throw ValidationError("--max-file-size is 1 to 4095 MiB.")
    }
    try validateFilter()
    try OptionConflicts.check(
      pictures.given.union(isFilter ? OptionConflicts.metByFilter : []).union(personOutputs.given)
        .union(maskOptions.given).union(personOptions.given).union(cacheOptions.given)
        .union(faults.given)
        .union(exports.needPersons ? ["persons"] : []))
  }

  func run() throws {
    try messages.telling(ofDryRun: usual.dryRun) { logger, metrics in
      if isFilter {
        try parseStandardInput(logger, metrics)
      } else if isStream {
        try parseStream(isWatch: false, logger, metrics)
      } else {
        try parse(logger, metrics)
      }
    }
  }

  private func parse(_ logger: Logger, _ metrics: RunMetrics?) throws {
    let cancellation = Cancellation(timeLimit: faults.timeLimit?.duration)
    let signals = SignalWatch(cancellation, logger)
    defer { signals.stop() }
    let archive = try trust.checked(ModelLocator.standard.open(ModelReference(usual.model)))
    let parser = Parser(archive, options: try parserOptions(archive, logger))
    var selected = try selection.selection()
    selected.written =
      exports.requests.map(\.path) + [messages.metrics, faults.failedTo].compactMap(\.self)
    let failureList = try faults.failedTo.map { path in
      try FailureList(path, zeroTerminated: selection.zeroTerminated)
    }
    var locks = try OutputLock.acquire(
      selected, out: usual.out, mode: usual.dryRun ? .off : faults.lock, cancellation: cancellation
    ) { path in
      logger.notice("waiting for the run that holds \(path)")
    }
    defer { locks.removeAll() }
    var leftOut = LeftOutCounts()
    var links: [FilePath] = []
    let files = try selected.plan(
      out: usual.out, naming: naming, probing: !usual.dryRun, cancellation: cancellation
    ) {
      leftOut.add($0.kind)
      if $0.kind == .link {
        links.append($0.path)
      } else {
        logger.debug("\($0.path): left out (\($0.kind.name))")
      }
    }
    try Exporter.check(exports.requests, files: files, probing: !usual.dryRun)

    let options = try batchOptions(links: selected.links)
    let batch = Batch(
      parser: parser, options: options,
      model: try ModelIdentity(archive))
    let checked = batch.check(files, cancellation: cancellation)
    let workers = try workers(
      files: checked.dueFiles, needNetwork: checked.mayNeedNetwork, archive, parser.options,
      options, logger)
    logger.debug("\(checked.count) files, \(checked.dueCount) of them due")

    var reporters = RunReporters(
      list: messages.reporters(total: files.count, logger: logger), logger: logger)
    if let metrics { reporters.list.append(metrics) }
    if !usual.dryRun {
      if let failureList {
        reporters.list.append(FailureListReporter(failureList, logger: logger))
      }
      reporters.list += exports.reporters(
        Exporter.Context(
          classes: parser.classes, palette: parser.options.outputs.palette,
          model: archive.contract.model, version: Version.current,
          links: selected.links, limits: parser.options.limits, explain: \.text), files: files,
        memoryLimit: options.memoryLimit, logger: logger)
      reporters.list.append(PlaceReporter(out: usual.out, logger: logger))
    }
    for link in links { reporters.leftOut(link) }
    var summary =
      usual.dryRun
      ? batch.dryRun(checked, cancellation: cancellation, report: reporters.add)
      : batch.run(
        checked, on: workers, cancellation: cancellation,
        meanwhile: {
          // Faster here than on a worker: what is allocated on the process's first thread does not
          // take a system call a page. Where it may not be needed, the first worker loads it.
          // Not where loading it is to be watched.
          if options.cache == nil, options.timeout == nil, checked.isNetworkNeeded {
            try? parser.load()
          }
        }, report: reporters.add)
    summary.leftOut = leftOut
    try reporters.finish(
      summary, signal: signals.received, cacheProblem: options.cache?.problem)
  }

  /// How each photo is parsed, and what is made of the result.
  func parserOptions(_ archive: ModelArchive, _ logger: Logger) throws -> ParserOptions {
    let contract = archive.contract
    var options = ParserOptions()
    let labels = try labelSet.resolve(for: contract)
    options.maxSide = maxSide
    options.precision = arithmetic.precision
    options.quality = quality
    options.limits = ImageLimits(maxPixels: maxPixels * 1_000_000)
    options.refusesDamaged = strictImages
    options.persons = personOptions.rules(contract: archive.personContract)
    options.remap = labels.remap
    options.outputs = try pictures.selection(
      masks: usual.masks, maskOptions.operations, persons: personOutputs, exports: exports,
      classes: labels.classes,
      palette: labels.palette)
    if !contract.tellsPersonsApart, options.outputs.tellsPersonsApart {
      logger.notice(
        "\(contract.model) does not tell persons apart: all that it finds is one person")
    }
    return options
  }

  /// What is done with each file.
  func batchOptions(links: LinkPolicy) throws -> BatchOptions {
    var options = BatchOptions()
    options.cache = usual.dryRun ? nil : try cacheOptions.open()
    options.force = usual.force
    options.overwriteEdited = overwriteEdited
    options.version = Version.current
    options.outputRoot = usual.out
    options.links = links
    options.maxErrors = faults.errorLimit
    options.timeout = faults.timeout?.duration
    options.maxFileSize = maxFileSize << 20
    options.memoryLimit = memory.memoryLimit?.bytes
    return options
  }

  /// As many workers as the CPUs, the files and the memory allow, and the threads of each.
  ///
  /// `files` are those to be done, nil where nobody knows what comes; some of them may `needNetwork`.
  func workers(
    files: [PlannedFile]?, needNetwork: Bool, _ archive: ModelArchive, _ parsing: ParserOptions,
    _ options: BatchOptions, _ logger: Logger
  ) throws -> ThreadPlan {
    let budget = CPUBudget.current()
    func plan(_ jobs: Int?) -> ThreadPlan {
      ThreadPlan(
        jobs: jobs, threads: threading.threads, files: files?.count ?? .max, budget: budget)
    }
    var workers = plan(usual.jobs)
    // What is only rendered needs no network's memory; where some are parsed, all take the same way.
    if needNetwork {
      let fitting = try memory.fittingJobs(
        workers.jobs, threads: workers.threads, isFixed: usual.jobs != nil, archive: archive,
        parsing: parsing, files: files, options)
      if fitting < workers.jobs {
        logger.info("\(fitting) of \(workers.jobs) workers fit into memory")
        workers = plan(fitting)
      }
    }
    if workers.jobs * workers.threads > budget.usable {
      logger.warning(
        """
        \(workers.jobs) jobs of \(workers.threads) threads on \(budget.usable) CPUs wait for each \
        other: less of either is faster
        """)
    }
    logger.debug("\(workers.jobs) jobs of \(workers.threads) threads")
    return threading.placed(workers, logger)
  }
}

extension Naming: ExpressibleByArgument {}

extension Quality: ExpressibleByArgument {}
