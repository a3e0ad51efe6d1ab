import Glibc
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The path of one image in three steps, each a function from one value to the next, so that they
/// can run on different threads: ``load(_:mayDefer:)`` → ``parse(_:worker:)`` → ``write(_:)``.
struct FileProcessor: Sendable {
  /// None where results are only rendered.
  let parser: Parser?
  let encoder: ResultEncoder
  let options: BatchOptions
  let keys = InFlightKeys()
  /// Bytes for what is read of earlier results, by all threads together.
  let memory: WeightedSemaphore
  /// None where results of any model are taken.
  let model: ModelIdentity?
  /// What is asked for, as sidecars say it.
  let request: Sidecar.Options
  private let classes: RestoredResult.Classes
  /// How photos are decoded whose pixels a picture shows.
  let parsing: ParserOptions

  init(parser: Parser, options: BatchOptions, model: ModelIdentity) {
    self.parser = parser
    self.options = options
    self.model = model
    memory = .memory(threads: DiskThreads.most, ceiling: options.memoryLimit)
    encoder = parser.encoder
    parsing = parser.options
    classes = .remapped(parser.options.remap)
    request = Sidecar.Options(parser.options, encoder: encoder)
  }

  init(rendering encoder: ResultEncoder, remap: ClassRemap?, options: BatchOptions) {
    parser = nil
    model = nil
    self.encoder = encoder
    self.options = options
    memory = .memory(threads: DiskThreads.most, ceiling: options.memoryLimit)
    classes = remap.map { .remapped($0) } ?? .asTheyAre
    var parsing = ParserOptions()
    parsing.remap = remap
    // Who is a person was decided by the run that found them.
    parsing.persons = .all
    // What was parsed is within the limits that it was parsed with.
    parsing.limits = .most
    self.parsing = parsing
    request = Sidecar.Options(parsing, encoder: encoder)
  }

  /// A photo on its way to the network, or what was found in it before.
  struct Loaded: Sendable {
    let job: FileJob
    let content: Content
    /// All times so far.
    let times: StageTimes

    enum Content: Sendable {
      case photo(Photo)
      case restored(Restored)
    }

    /// All that there is to say about the file so far.
    var notes: [String] {
      switch content {
      case .photo(let photo): photo.decoded.warnings + photo.damage
      case .restored(let restored): restored.warnings
      }
    }

    /// Whether the network is to see it.
    var needsNetwork: Bool { if case .photo = content { true } else { false } }
  }

  /// An image decoded and resized, and where it came from.
  struct Photo: Sendable {
    /// The input's SHA-256.
    let digest: String
    let stamp: FileStamp
    /// Who may read it, and so what is made of it.
    let access: FileAccess
    let decoded: DecodedPhoto
    /// Where the result goes in the cache, if there is one.
    let cacheKey: CacheKey?

    /// What there is to say about the cache.
    var damage: [String] { cacheKey?.damage ?? [] }
  }

  /// A key of the cache, held until the result is there.
  struct CacheKey: Sendable {
    let key: String
    let reservation: InFlightKeys.Reservation
    /// What to say of an entry that was there already.
    let damage: [String]
  }

  /// What was found before, with what is to become of its outputs.
  struct Restored: Sendable {
    let stored: RestoredResult
    let found: ResultSummary
    let changes: OutputChanges
    /// Decoded where a picture shows its pixels.
    let photo: RGBImage?
    let warnings: [String]
    /// The input's modification time.
    let modified: timespec
    /// Who may read the input, and so what is made of it.
    let access: FileAccess

    /// The sidecar that says all this.
    func sidecar(version: String, sizes: [OutputKind: Int]) -> Sidecar {
      Sidecar(
        version: version, source: stored.sidecar.input, model: stored.sidecar.model,
        options: changes.options, labels: stored.labels,
        found: found, raw: stored.raw, outputs: changes.outputs(sizes: sizes))
    }
  }

  /// An image parsed, or restored, with nothing on disk yet.
  struct Parsed: Sendable {
    let loaded: Loaded
    let content: Content
    let times: StageTimes

    enum Content: Sendable {
      case parsed(ParsedPhoto, Photo)
      case restored(Restored)
    }

    /// All that there is to say about the file.
    var notes: [String] {
      switch content {
      case .parsed(let found, let photo): found.warnings + photo.damage
      case .restored(let restored): restored.warnings
      }
    }
  }

  enum LoadResult: Sendable {
    case loaded(Loaded)
    case done(Outcome)
    /// Another file with the same bytes is on its way to the cache under this key.
    case deferred(key: String)
  }

  /// What tells which files have outputs that are current.
  var check: UpToDateCheck {
    UpToDateCheck(
      model: model, options: request, force: options.force,
      overwriteEdited: options.overwriteEdited, limits: parsing.limits, memory: memory)
  }

  // MARK: - Load

  /// Bytes of ``memory`` that a file needs from its being read to its being written: none where the network
  /// is to see it, for which there is a ``MemoryEstimate``.
  func bytesToRestore(_ job: FileJob) -> Int {
    switch job.status {
    case .current, .touched, .stale: return 0
    case .render, .edited:
      let file = job.file
      return file.bytesToRestore(
        limits: parsing.limits, fileLimit: options.maxFileSize,
        photo: encoder.selection.needsPhoto
          ? LinkRule(below: file.input.root, options.links) : nil)
    }
  }

  /// Reads, decodes and resizes, unless the outputs turn out to be current, the cache has them, or
  /// they can be made of what was found before.
  ///
  /// - Parameters:
  ///   - job: The file.
  ///   - mayDefer: Whether to put the file off while another with the same bytes is on its way.
  ///   - cancellation: Ends waiting for a lock.
  /// - Returns: What goes on, unless the file was done or put off.
  func load(
    _ job: FileJob, mayDefer: Bool, cancellation: Cancellation
  ) -> LoadResult {
    let file = job.file
    var times = StageTimes()
    var warnings: [String] = []
    func done(_ result: Outcome.Result, removed: [FilePath] = []) -> LoadResult {
      .done(job.outcome(result, times, warnings: warnings, removed: removed))
    }
    if let failure = file.input.failure { return done(.failed(failure)) }
    if job.status == .current { return done(.current) }
    if parser == nil, case .stale(let reason) = job.status {
      return done(.failed(Self.nothingToRender(reason)))
    }
    do throws(FileFailure) {
      if job.status == .edited || !job.status.mayNeedNetwork {
        if let restored = try restore(file, times: &times) {
          if let sidecar = unchanged(restored) {
            restrict(file.outputs, restored)
            touch(
              (restored.stored.isEdited ? [] : [file.outputs.map]) + [file.outputs.sidecar],
              of: file.outputs, restored.modified)
            return done(restored.stored.isEdited ? .edited(sidecar) : .current)
          }
          return .loaded(Loaded(job: job, content: .restored(restored), times: times))
        }
      }
      let contents = try times.measure(.read) { () throws(FileFailure) in
        try read(file.input)
      }
      let digest = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      if job.status == .touched(sha256: digest) {
        touch([file.outputs.map, file.outputs.sidecar], of: file.outputs, contents.stamp.modified)
        return done(.current)
      }
      guard let parser, let model else { throw Self.nothingToRender(.changedInput) }
      var cacheKey: CacheKey?
      if let cache = options.cache {
        let key = ResultCache.key(input: digest, model: model, options: request)
        var damage: [String] = []
        switch options.force ? .miss : cache.fetch(key, for: contents.access) {
        case .hit(let entry):
          warnings = entry.warnings
          let (sidecar, removed) = try times.measure(.write) { () throws(FileFailure) in
            try store(entry, file: file, contents, cancellation)
          }
          return done(.cached(sidecar), removed: removed)
        case .damaged: damage = ["its entry in the cache was damaged, and has been dropped"]
        case .miss: break
        }
        if let reservation = keys.reserve(key) {
          cacheKey = CacheKey(key: key, reservation: reservation, damage: damage)
        } else if mayDefer {
          return .deferred(key: key)
        }
      }
      let decoded = try parser.decode(contents.bytes)
      warnings = decoded.warnings
      times.add(decoded.times)
      return .loaded(
        Loaded(
          job: job,
          content: .photo(
            Photo(
              digest: digest, stamp: contents.stamp, access: contents.access, decoded: decoded,
              cacheKey: cacheKey)),
          times: times))
    } catch {
      return done(.failed(error))
    }
  }

  func read(_ input: Input) throws(FileFailure) -> FileReader.Contents {
    try FileReader.read(
      input.path, limit: options.maxFileSize, following: LinkRule(below: input.root, options.links))
  }

  static func nothingToRender(_ reason: RebuildReason) -> FileFailure {
    FileFailure(
      stage: .read, code: .missing,
      message: reason == .changedInput
        ? "the photo has changed since it was parsed"
        : "there is no result that can be rendered (\(reason.name))",
      detail: .notParsed)
  }

  /// Puts together what was found before, and decides what is made of it.
  ///
  /// - Returns: nil where the photo is another by now and the network has to see it.
  /// - Throws: ``FileFailure``: what is asked for cannot be made of it.
  func restore(
    _ file: PlannedFile, times: inout StageTimes
  ) throws(FileFailure) -> Restored? {
    let names = file.outputs
    let stored = try times.measure(.read) { () throws(FileFailure) in
      try RestoredResult(names, in: classes, limits: parsing.limits)
    }
    guard stored.labels.names == encoder.classes else {
      throw FileFailure(
        stage: .read, code: .edited,
        message: "its result is in other classes (\(stored.labels.names.count)) than are asked for "
          + "(\(encoder.classes.count))")
    }
    let source = stored.sidecar.input
    let input = FileStamp(path: file.input.path)
    guard let written = FileStamp(path: names.sidecarPath)?.modified else { return nil }
    var contents: FileReader.Contents?
    /// Whether the file is the one that was parsed.
    func readAndCompare() throws(FileFailure) -> Bool {
      let read = try times.measure(.read) { () throws(FileFailure) in
        try self.read(file.input)
      }
      contents = read
      return read.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } == source.sha256
    }
    func changed() throws(FileFailure) -> Restored? {
      guard stored.isEdited else { return nil }
      throw FileFailure(
        stage: .read, code: .edited,
        message: "\(names.mapPath) was corrected by hand, and the photo has changed since")
    }
    if let input {
      if input.size != source.size || !(input.modified == written), try !readAndCompare() {
        return try changed()
      }
    } else if parser != nil {
      _ = try readAndCompare()
    }
    let found = ResultSummary(stored.result, classes: stored.labels.names, masks: true)
    let changes = OutputChanges(
      names, wanted: encoder.kinds(of: stored.result),
      request: request.keepingNetwork(of: stored.sidecar.options),
      shown: OutputChanges.Shown(labels: stored.labels, found: found, input: source.sha256),
      previous: stored.sidecar, remakesAll: options.force)
    var (photo, warnings): (RGBImage?, [String]) = (nil, [])
    if changes.made.contains(where: \.showsPhoto) {
      if contents == nil, try !readAndCompare() { return try changed() }
      guard let contents else { return nil }
      let decoded = try times.measure(.decode) { () throws(FileFailure) in
        try ImageDecoder.decode(
          contents.bytes, limits: parsing.limits, refuseDamaged: parsing.refusesDamaged)
      }
      (photo, warnings) = (decoded.image, decoded.warnings)
    }
    return Restored(
      stored: stored, found: found, changes: changes, photo: photo,
      warnings: warnings + stored.result.warnings,
      modified: input?.modified ?? written,
      access: contents?.access ?? FileAccess(path: file.input.path)
        ?? FileAccess(path: names.mapPath) ?? .standard)
  }

  /// The sidecar, where it says already all that there is to say; nil where something is to be made
  /// or removed.
  func unchanged(_ restored: Restored) -> Sidecar? {
    let old = restored.stored.sidecar
    let isSame =
      restored.changes.made.isEmpty && restored.changes.options == old.options
      && restored.changes.outputs(sizes: [:]) == old.outputs
      && restored.stored.labels == old.labels && restored.stored.raw == old.raw
    return isSame ? old : nil
  }

  // MARK: - Parse

  /// Runs the network and merges what it returns.
  func parse(_ loaded: Loaded, worker: ParserWorker?) throws(FileFailure) -> Parsed {
    switch loaded.content {
    case .restored(let restored):
      return Parsed(loaded: loaded, content: .restored(restored), times: loaded.times)
    case .photo(let photo):
      guard let worker else { preconditionFailure("a photo comes with a worker") }
      let parsed = try worker.infer(photo.decoded)
      var times = loaded.times
      times.add(parsed.times, without: photo.decoded.times)
      return Parsed(loaded: loaded, content: .parsed(parsed, photo), times: times)
    }
  }

  /// The classes that masks may be of.
  var slugs: [String] {
    ((parser?.contract.classes ?? []) + encoder.classes).map(ClassNames.slug)
  }
}
