import Foundation
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
  /// None where results of any model are taken.
  private let model: ModelIdentity?
  private let classes: RestoredResult.Classes
  /// What is asked for, as sidecars say it.
  private let request: Sidecar.Options

  init(parser: Parser, options: BatchOptions, model: ModelIdentity) {
    self.parser = parser
    self.options = options
    self.model = model
    encoder = parser.encoder
    classes = .remapped(parser.options.remap)
    request = Sidecar.Options(parser.options, encoder: encoder)
  }

  init(rendering encoder: ResultEncoder, options: BatchOptions) {
    parser = nil
    model = nil
    self.encoder = encoder
    self.options = options
    classes = options.parsing.remap.map { .remapped($0) } ?? .asTheyAre
    var parsing = options.parsing
    // Who is a person was decided by the run that found them.
    parsing.persons = .all
    request = Sidecar.Options(parsing, encoder: encoder)
  }

  /// A photo on its way to the network, or what was found in it before.
  struct Loaded: Sendable {
    let file: PlannedFile
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

  /// Tells which files have outputs that are current.
  func check(_ files: [PlannedFile], cancellation: Cancellation) -> [CheckedFile] {
    UpToDateCheck(
      model: model, options: request, force: options.force,
      overwriteEdited: options.overwriteEdited)(files, cancellation: cancellation)
  }

  // MARK: - Load

  /// Reads, decodes and resizes, unless the outputs turn out to be current, the cache has them, or
  /// they can be made of what was found before.
  ///
  /// - Parameters:
  ///   - checked: The file.
  ///   - mayDefer: Whether to put the file off while another with the same bytes is on its way.
  ///   - cancellation: Ends waiting for a lock.
  /// - Returns: What goes on, unless the file was done or put off.
  func load(
    _ checked: CheckedFile, mayDefer: Bool, cancellation: Cancellation
  ) -> LoadResult {
    let file = checked.file
    var times = StageTimes()
    var warnings: [String] = []
    func done(_ result: Outcome.Result, removed: [FilePath] = []) -> LoadResult {
      .done(outcome(file, result, times, warnings: warnings, removed: removed))
    }
    if let failure = file.input.failure { return done(.failed(failure)) }
    if parser == nil, case .stale(let reason) = checked.status {
      return done(.failed(Self.nothingToRender(reason)))
    }
    do throws(FileFailure) {
      if checked.status == .edited || !checked.status.mayNeedNetwork {
        if let restored = try restore(file, times: &times) {
          if let sidecar = unchanged(restored) {
            restrict(file.outputs, restored)
            touch(file.outputs, restored)
            return done(restored.stored.isEdited ? .edited(sidecar) : .current)
          }
          return .loaded(Loaded(file: file, content: .restored(restored), times: times))
        }
      }
      let contents = try times.measure(.read) { () throws(FileFailure) in
        try read(file.input)
      }
      let digest = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      if checked.status == .touched(sha256: digest) {
        touch(file.outputs.mapPath, contents.stamp.modified)
        touch(file.outputs.sidecarPath, contents.stamp.modified)
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
          file: file,
          content: .photo(
            Photo(
              digest: digest, stamp: contents.stamp, access: contents.access, decoded: decoded,
              cacheKey: cacheKey)),
          times: times))
    } catch {
      return done(.failed(error))
    }
  }

  private func read(_ input: Input) throws(FileFailure) -> FileReader.Contents {
    try FileReader.read(
      input.path, limit: options.maxFileSize, following: LinkRule(below: input.root, options.links))
  }

  private static func nothingToRender(_ reason: RebuildReason) -> FileFailure {
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
  private func restore(
    _ file: PlannedFile, times: inout StageTimes
  ) throws(FileFailure) -> Restored? {
    let names = file.outputs
    let stored = try times.measure(.read) { () throws(FileFailure) in
      try RestoredResult(names, in: classes)
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
          contents.bytes, limits: options.parsing.limits,
          refuseDamaged: options.parsing.refusesDamaged)
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
  private func unchanged(_ restored: Restored) -> Sidecar? {
    let old = restored.stored.sidecar
    let isSame =
      restored.changes.made.isEmpty && restored.changes.options == old.options
      && restored.changes.outputs(sizes: [:]) == old.outputs
      && restored.stored.labels == old.labels && restored.stored.raw == old.raw
    return isSame ? old : nil
  }

  // MARK: - Dry run

  /// What would become of a file; reads it only if that depends on its digest.
  func dryRun(_ checked: CheckedFile) -> Outcome {
    let file = checked.file
    func outcome(_ result: Outcome.Result) -> Outcome { self.outcome(file, result, StageTimes()) }
    if let failure = file.input.failure { return outcome(.failed(failure)) }
    do throws(FileFailure) {
      switch checked.status {
      case .current: return outcome(.current)
      case .stale(let reason): return outcome(try planned(file, reason))
      case .touched(let digest):
        let contents = try read(file.input)
        let isSame = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } == digest
        return outcome(isSame ? .current : try planned(file, .changedInput))
      case .render, .edited:
        var times = StageTimes()
        guard let restored = try restore(file, times: &times) else {
          return outcome(try planned(file, .changedInput))
        }
        if let sidecar = unchanged(restored) {
          return outcome(restored.stored.isEdited ? .edited(sidecar) : .current)
        }
        let reason: RebuildReason =
          if case .render(let reason) = checked.status { reason } else { .changedMap }
        return outcome(.planned(change(file.outputs, restored, reason)))
      }
    } catch {
      return outcome(.failed(error))
    }
  }

  /// What rendering would do.
  private func change(
    _ names: OutputNames, _ restored: Restored, _ reason: RebuildReason
  ) -> PlannedChange {
    let made = restored.changes.made.map(names.path) + [names.sidecar]
    let kept = Set(restored.changes.kept.map(\.path)).union(made)
    let there = stale(names, keeping: [], previous: restored.stored.sidecar)
    return PlannedChange(
      action: .render, reason: reason,
      written: made.filter { !there.contains($0) && $0 != names.sidecar },
      replaced: made.filter { there.contains($0) || $0 == names.sidecar },
      removed: stale(names, keeping: kept, previous: restored.stored.sidecar))
  }

  /// What parsing would do, as far as that does not depend on what is found.
  private func planned(
    _ file: PlannedFile, _ reason: RebuildReason
  ) throws(FileFailure) -> Outcome.Result {
    guard parser != nil else { throw Self.nothingToRender(reason) }
    let names = file.outputs
    var sure: [FilePath] = [names.map]
    if encoder.selection.personMap { sure.append(names.persons) }
    if let overlay = encoder.selection.overlay { sure.append(names.overlay(overlay.format)) }
    if let cutout = encoder.selection.cutout, cutout.classes != nil || !cutout.perPerson {
      sure.append(names.cutout)
    }
    sure.append(names.sidecar)
    let there = Set(stale(names, keeping: [], previous: Sidecar.read(of: names)))
    func isThere(_ path: FilePath) -> Bool {
      FileStamp(path: names.folder.appending(path.components)) != nil
    }
    /// Whether it depends on what is found, and is asked for.
    func mayBeMade(_ path: FilePath) -> Bool {
      switch names.kind(of: path) {
      case .mask(let slug): request.masks.contains(slug)
      case .personMask(let slug, _): request.persons?.masks.contains(slug) ?? false
      case .personCutout: request.cutout?.perPerson ?? false
      default: false
      }
    }
    let makesMasks =
      !request.masks.isEmpty || !(request.persons?.masks ?? []).isEmpty
      || request.cutout?.perPerson ?? false
    return .planned(
      PlannedChange(
        action: .parse, reason: reason,
        written: sure.filter { !isThere($0) }
          + (makesMasks ? [names.masks] : []),
        replaced: sure.filter(isThere),
        removed: there.filter { !sure.contains($0) && !mayBeMade($0) }.sorted {
          $0.bytes.lexicographicallyPrecedes($1.bytes)
        }))
  }

  /// The outputs that lie there and are not kept, in the order of their bytes.
  private func stale(
    _ names: OutputNames, keeping kept: Set<FilePath>, previous: Sidecar?
  ) -> [FilePath] {
    guard let folder = try? OpenFolder(names.folder) else { return [] }
    // The map is replaced, never stale.
    return StaleOutputs(
      names, in: folder, previous: previous, slugs: slugs, keeping: kept
    ).existing().sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  /// The classes that masks may be of.
  private var slugs: [String] {
    ((parser?.contract.classes ?? []) + encoder.classes).map(ClassNames.slug)
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

  // MARK: - Write

  /// Encodes and writes all outputs of one image, the sidecar last.
  ///
  /// - Parameters:
  ///   - parsed: What was found in it.
  ///   - cancellation: Ends waiting for a lock.
  /// - Returns: What became of the file.
  func write(_ parsed: Parsed, cancellation: Cancellation) -> Outcome {
    var times = parsed.times
    let file = parsed.loaded.file
    do throws(FileFailure) {
      let (result, removed): (Outcome.Result, [FilePath]) =
        switch parsed.content {
        case .parsed(let found, let photo):
          try write(found, of: photo, file: file, times: &times, cancellation)
        case .restored(let restored):
          try write(restored, file: file, times: &times, cancellation)
        }
      return outcome(file, result, times, warnings: parsed.notes, removed: removed)
    } catch {
      return outcome(file, .failed(error), times, warnings: parsed.notes)
    }
  }

  private func write(
    _ found: ParsedPhoto, of photo: Photo, file: PlannedFile, times: inout StageTimes,
    _ cancellation: Cancellation
  ) throws(FileFailure) -> (Outcome.Result, [FilePath]) {
    guard let model else { preconditionFailure("what was parsed has a model") }
    let names = file.outputs
    let previous = Sidecar.read(of: names)
    let (encoded, sidecar) = try times.measure(.encode) { () throws(FileFailure) in
      let labels = Sidecar.Labels(names: encoder.classes, sha256: found.result.labels.digest)
      let summary = ResultSummary(found.result, classes: encoder.classes, masks: true)
      let encoded = try encoder.encode(of: found.result, photo: found.photo)
      let changes = OutputChanges(
        names, wanted: encoded.map(\.kind), request: request,
        shown: OutputChanges.Shown(labels: labels, found: summary, input: photo.digest),
        previous: previous, remakesAll: true)
      let source = Sidecar.Source(
        name: file.input.path.fileName, size: photo.stamp.size, sha256: photo.digest,
        format: found.source.format, orientation: found.source.orientation,
        width: found.source.width, height: found.source.height)
      let sizes = Dictionary(
        encoded.map { ($0.kind, $0.file.count) }, uniquingKeysWith: { $1 })
      let sidecar = Sidecar(
        version: options.version, source: source, model: model, options: changes.options,
        labels: labels, found: summary,
        raw: found.unmapped.map { Sidecar.Raw($0, names: parser?.contract.classes ?? []) },
        outputs: changes.outputs(sizes: sizes))
      return (encoded, sidecar)
    }
    let removed = try times.measure(.write) { () throws(FileFailure) in
      let removed = try store(
        sidecar, names: names, photo.access, modified: photo.stamp.modified, previous: previous,
        cancellation
      ) { (files) throws(FileFailure) in
        try write(encoded, names: names, modified: photo.stamp.modified, into: &files)
      }
      if let cacheKey = photo.cacheKey {
        options.cache?.store(
          cacheKey.key,
          // Without what happens to lie beside this copy of the photo.
          sidecar: sidecar.with(
            options: request,
            outputs: encoded.map {
              Sidecar.Output(path: names.path(of: $0.kind), size: $0.file.count)
            }), stem: names.stem, access: photo.access,
          warnings: found.warnings,
          outputs: encoded.map { output in
            { memory in output.file.withUnsafeBytes { memory.copyMemory(from: $0) } }
          })
      }
      return removed
    }
    return (.parsed(sidecar), removed)
  }

  private func write(
    _ restored: Restored, file: PlannedFile, times: inout StageTimes, _ cancellation: Cancellation
  ) throws(FileFailure) -> (Outcome.Result, [FilePath]) {
    let names = file.outputs
    let encoded = try times.measure(.encode) { () throws(FileFailure) in
      try encoder.encode(
        restored.changes.made, of: restored.stored.result, photo: restored.photo)
    }
    let sidecar = restored.sidecar(
      version: options.version,
      sizes: Dictionary(encoded.map { ($0.kind, $0.file.count) }, uniquingKeysWith: { $1 }))
    let removed = try times.measure(.write) { () throws(FileFailure) in
      let keepsMap = !restored.changes.made.contains(.labelMap)
      let removed = try store(
        sidecar, names: names, restored.access, modified: restored.modified,
        previous: restored.stored.sidecar,
        meanwhile: keepsMap ? restored.changes.meanwhile(restored.stored.sidecar) : nil,
        cancellation
      ) { (files) throws(FileFailure) in
        try write(encoded, names: names, modified: restored.modified, into: &files)
      }
      if keepsMap, !restored.stored.isEdited { touch(names.mapPath, restored.modified) }
      return removed
    }
    return (restored.stored.isEdited ? .edited(sidecar) : .rendered(sidecar), removed)
  }

  private static func text(_ sidecar: Sidecar) throws(FileFailure) -> Data {
    if let text = try? sidecar.encoded() { return text }
    throw FileFailure(stage: .write, code: .inference, message: "a score is not a number")
  }

  /// Remembers that an input with this modification time has been seen to be the same.
  private func touch(_ path: FilePath, _ time: timespec) {
    _ = path.withPlatformString { path in
      [time, time].withUnsafeBufferPointer {
        utimensat(AT_FDCWD, path, $0.baseAddress, AT_SYMLINK_NOFOLLOW)
      }
    }
  }

  private func touch(_ names: OutputNames, _ restored: Restored) {
    if !restored.stored.isEdited { touch(names.mapPath, restored.modified) }
    touch(names.sidecarPath, restored.modified)
  }

  /// Takes from results that stay as they are what the photo does not give; from the sidecar last, by
  /// which it is seen that this is to be done.
  private func restrict(_ names: OutputNames, _ restored: Restored) {
    guard let folder = try? OpenFolder(names.folder, following: names.rule),
      let sidecar = names.sidecar.lastComponent
    else { return }
    names.restrict(restored.stored.sidecar.outputs, in: folder, to: restored.access)
    folder.restrict(sidecar, to: restored.access)
  }

  private func outcome(
    _ file: PlannedFile, _ result: Outcome.Result, _ times: StageTimes, warnings: [String] = [],
    removed: [FilePath] = []
  ) -> Outcome {
    Outcome(
      input: file.input, outputs: file.outputs, result: result, seconds: times,
      warnings: warnings, removed: removed)
  }

  private func write(
    _ encoded: [EncodedOutput], names: OutputNames, modified: timespec,
    into files: inout AtomicFiles
  ) throws(FileFailure) {
    for output in encoded {
      try output.file.withUnsafeBytes { (bytes) throws(FileFailure) in
        try files.write(bytes, to: names.path(of: output.kind))
      }
      // By this an edited map is known from the one that was written.
      if output.kind == .labelMap { files.stampLast(modified) }
    }
  }

  /// Writes what the cache has of an input with the same bytes.
  private func store(
    _ entry: ResultCache.Entry, file: PlannedFile, _ photo: FileReader.Contents,
    _ cancellation: Cancellation
  ) throws(FileFailure) -> (Sidecar, removed: [FilePath]) {
    let names = file.outputs
    let sidecar = entry.sidecar.renamed(
      input: file.input.path.fileName, from: [], to: names.stem)
    let modified = photo.stamp.modified
    let removed = try store(
      sidecar, names: names, photo.access, modified: modified, previous: Sidecar.read(of: names),
      cancellation
    ) { (files) throws(FileFailure) in
      try entry.forEachOutput { (output, bytes, original) throws(FileFailure) in
        let path = FilePath().appending(name: names.stem + output.path.bytes)
        try files.write(bytes, to: path, sharing: original)
        if path == names.map { files.stampLast(modified) }
      }
    }
    return (sidecar, removed)
  }

  /// Whoever holds it does so for the blink of an eye, unless he means ill or hangs.
  private static let patience = Duration.seconds(10)

  private func lock(_ folder: OpenFolder, _ cancellation: Cancellation) throws(FileFailure) {
    let end = ContinuousClock.now + Self.patience
    guard folder.lock(while: { !cancellation.isCancelled && ContinuousClock.now < end }) else {
      throw FileFailure(
        stage: .write, code: .outputNotWritable,
        message: "another process holds a lock on the folder \(folder.path)")
    }
  }

  /// Writes the outputs that `writeOutputs` gives, then the sidecar; removes what is stale.
  ///
  /// While outputs are replaced and the class map stays, `meanwhile` is the sidecar: what proves the map,
  /// and what stays with it, is never missing. Without it the map is replaced.
  ///
  /// - Returns: What was removed.
  private func store(
    _ sidecar: Sidecar, names: OutputNames, _ access: FileAccess, modified: timespec,
    previous: Sidecar?, meanwhile: Sidecar? = nil, _ cancellation: Cancellation,
    writeOutputs: (inout AtomicFiles) throws(FileFailure) -> Void
  ) throws(FileFailure) -> [FilePath] {
    var files = AtomicFiles(in: names.folder, following: names.rule, access: access)
    try writeOutputs(&files)
    try files.write(Self.text(sidecar), to: names.sidecar)
    files.stampLast(modified)
    try files.sync()
    guard let folder = files.root else { preconditionFailure("the sidecar was written") }
    // Of two runs that share no lock and come to the same file, one comes wholly after the other.
    try lock(folder, cancellation)
    defer { folder.unlock() }
    if let meanwhile {
      // It promises only what stays whole, in case that the run is killed from here on.
      var interim = AtomicFiles(in: names.folder, following: names.rule, access: access)
      try interim.write(Self.text(meanwhile), to: names.sidecar)
      try interim.sync()
      try interim.commit(syncing: false)
    } else {
      try checkUnedited(names, previous)
      // From here to the end there is no sidecar: killed in between, the file is parsed again.
      if let sidecar = names.sidecar.lastComponent { folder.remove(sidecar) }
    }
    let removed = StaleOutputs(
      names, in: folder, previous: previous, slugs: slugs,
      keeping: Set(sidecar.outputs.map(\.path))
    ).remove()
    names.restrict(sidecar.outputs, in: folder, to: access)
    try files.commit()
    return removed
  }

  /// Looks once more, now that the map is about to be replaced: a person may have saved it meanwhile.
  private func checkUnedited(_ names: OutputNames, _ previous: Sidecar?) throws(FileFailure) {
    guard !options.overwriteEdited, let previous,
      let written = FileStamp(path: names.sidecarPath)?.modified,
      ClassMap.state(names, ClassMap.Record(previous, names: names), modified: written)
        == .edited
    else { return }
    throw FileFailure(
      stage: .write, code: .edited,
      message: "\(names.mapPath) was corrected by hand while the photo was parsed: run again")
  }
}
