import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The path of one image in three steps, each a function from one value to the next, so that they
/// can run on different threads: ``load(_:)`` → ``parse(_:session:postprocessor:)`` → ``write(_:)``.
struct FileProcessor: Sendable {
  let parser: Parser
  let options: BatchOptions
  let model: ModelIdentity
  let keys = InFlightKeys()
  private let recordedOptions: Sidecar.Options

  init(parser: Parser, options: BatchOptions, model: ModelIdentity) {
    self.parser = parser
    self.options = options
    self.model = model
    recordedOptions = Sidecar.Options(parser)
  }

  /// An image decoded and resized, and where it came from.
  struct Loaded: Sendable {
    let file: PlannedFile
    /// The input's SHA-256.
    let digest: String
    let stamp: FileStamp
    /// Who may read it, and so what is made of it.
    let access: FileAccess
    let decoded: DecodedPhoto
    /// Where the result goes in the cache, if there is one.
    let cacheKey: CacheKey?
    /// All times so far.
    let times: StageTimes

    /// All that there is to say about the file.
    var notes: [String] { decoded.warnings + (cacheKey?.damage ?? []) }
  }

  /// A key of the cache, held until the result is there.
  struct CacheKey: Sendable {
    let key: String
    let reservation: InFlightKeys.Reservation
    /// What to say of an entry that was there already.
    let damage: [String]
  }

  /// An image parsed, with nothing on disk yet.
  struct Parsed: Sendable {
    let loaded: Loaded
    let photo: ParsedPhoto
    let times: StageTimes
  }

  enum LoadResult: Sendable {
    case loaded(Loaded)
    case done(Outcome)
    /// Another file with the same bytes is on its way to the cache under this key.
    case deferred(key: String)
  }

  /// Tells which files have outputs that are current.
  func check(_ files: [PlannedFile], cancellation: Cancellation) -> [CheckedFile] {
    UpToDateCheck(model: model, options: recordedOptions, force: options.force)(
      files, cancellation: cancellation)
  }

  /// Reads, decodes and resizes, unless the outputs turn out to be current or the cache has them.
  ///
  /// - Parameters:
  ///   - checked: The file.
  ///   - mayDefer: Whether to put the file off while another with the same bytes is on its way.
  ///   - cancellation: Ends waiting for a lock.
  /// - Returns: The image, unless the file was done or put off.
  func load(
    _ checked: CheckedFile, mayDefer: Bool, cancellation: Cancellation
  ) -> LoadResult {
    let file = checked.file
    var times = StageTimes()
    var warnings: [String] = []
    func done(_ result: Outcome.Result) -> LoadResult {
      .done(
        Outcome(
          input: file.input, outputs: file.outputs, result: result, seconds: times,
          warnings: warnings))
    }
    if let failure = file.input.failure { return done(.failed(failure)) }
    let path = file.input.path
    do throws(FileFailure) {
      let contents = try times.measure(.read) { () throws(FileFailure) in
        try FileReader.read(
          path, limit: options.maxFileSize, following: options.rule(to: file.input))
      }
      let digest = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      if checked.status == .touched(sha256: digest) {
        touch(file.outputs.sidecarPath, contents.stamp.modified)
        return done(.current)
      }
      var cacheKey: CacheKey?
      if let cache = options.cache {
        let key = ResultCache.key(input: digest, model: model, options: recordedOptions)
        var damage: [String] = []
        switch options.force ? .miss : cache.fetch(key) {
        case .hit(let entry):
          warnings = entry.warnings
          let sidecar = try times.measure(.write) { () throws(FileFailure) in
            try store(entry, file: file, contents, cancellation)
          }
          return done(.cached(sidecar))
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
          file: file, digest: digest, stamp: contents.stamp, access: contents.access,
          decoded: decoded, cacheKey: cacheKey, times: times))
    } catch {
      return done(.failed(error))
    }
  }

  /// What would become of a file; reads it only if that depends on its digest.
  func dryRun(_ checked: CheckedFile) -> Outcome {
    func outcome(_ result: Outcome.Result) -> Outcome {
      Outcome(
        input: checked.file.input, outputs: checked.file.outputs, result: result,
        seconds: StageTimes(), warnings: [])
    }
    if let failure = checked.file.input.failure { return outcome(.failed(failure)) }
    switch checked.status {
    case .current: return outcome(.current)
    case .stale(let reason): return outcome(.planned(reason))
    case .touched(let digest):
      do throws(FileFailure) {
        let input = checked.file.input
        let contents = try FileReader.read(
          input.path, limit: options.maxFileSize, following: options.rule(to: input))
        let isSame = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } == digest
        return outcome(isSame ? .current : .planned(.changedInput))
      } catch {
        return outcome(.failed(error))
      }
    }
  }

  /// Runs the network and merges what it returns.
  func parse(_ loaded: Loaded, worker: ParserWorker) throws(FileFailure) -> Parsed {
    let photo = try worker.infer(loaded.decoded)
    var times = loaded.times
    times.add(photo.times, without: loaded.decoded.times)
    return Parsed(loaded: loaded, photo: photo, times: times)
  }

  /// Encodes and writes all outputs of one image, the sidecar last.
  func write(_ parsed: Parsed, _ cancellation: Cancellation) -> Outcome {
    let loaded = parsed.loaded
    var times = parsed.times
    func outcome(_ result: Outcome.Result) -> Outcome {
      Outcome(
        input: loaded.file.input, outputs: loaded.file.outputs, result: result, seconds: times,
        warnings: loaded.notes)
    }
    do throws(FileFailure) {
      let names = loaded.file.outputs
      let encoded = try times.measure(.encode) { () throws(FileFailure) in
        try parser.encode(parsed.photo)
      }
      let source = parsed.photo.source
      let sidecar = Sidecar(
        source: Sidecar.Source(
          name: loaded.file.input.path.fileName, size: loaded.stamp.size, sha256: loaded.digest,
          format: source.format, orientation: source.orientation, width: source.width,
          height: source.height),
        model: model, options: recordedOptions, found: parsed.photo.summary,
        outputs: encoded.map { Sidecar.Output(path: names.path(of: $0.kind), size: $0.file.count) })
      try times.measure(.write) { () throws(FileFailure) in
        try store(
          sidecar, of: loaded.file, loaded.access, modified: loaded.stamp.modified, cancellation
        ) { (files) throws(FileFailure) in
          for output in encoded {
            try output.file.withUnsafeBytes { (bytes) throws(FileFailure) in
              try files.write(bytes, to: names.path(of: output.kind))
            }
          }
        }
        if let cacheKey = loaded.cacheKey {
          options.cache?.store(
            cacheKey.key, sidecar: sidecar, stem: names.stem, access: loaded.access,
            warnings: parsed.photo.warnings,
            outputs: encoded.map { output in
              { memory in output.file.withUnsafeBytes { memory.copyMemory(from: $0) } }
            })
        }
      }
      return outcome(.parsed(sidecar))
    } catch {
      return outcome(.failed(error))
    }
  }

  /// Remembers that an input with this modification time has been seen to be the same.
  private func touch(_ sidecar: FilePath, _ time: timespec) {
    _ = sidecar.withPlatformString { sidecar in
      [time, time].withUnsafeBufferPointer {
        utimensat(AT_FDCWD, sidecar, $0.baseAddress, AT_SYMLINK_NOFOLLOW)
      }
    }
  }

  // MARK: - Outputs

  /// Writes what the cache has of an input with the same bytes.
  private func store(
    _ entry: ResultCache.Entry, file: PlannedFile, _ photo: FileReader.Contents,
    _ cancellation: Cancellation
  ) throws(FileFailure) -> Sidecar {
    let names = file.outputs
    let sidecar = entry.sidecar.renamed(
      input: file.input.path.fileName, from: [], to: names.stem)
    try store(
      sidecar, of: file, photo.access, modified: photo.stamp.modified, cancellation
    ) { (files) throws(FileFailure) in
      try entry.forEachOutput { (output, bytes, original) throws(FileFailure) in
        try files.write(
          bytes, to: FilePath().appending(name: names.stem + output.path.bytes), sharing: original)
      }
    }
    return sidecar
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
  private func store(
    _ sidecar: Sidecar, of file: PlannedFile, _ access: FileAccess, modified: timespec,
    _ cancellation: Cancellation,
    writeOutputs: (inout AtomicFiles) throws(FileFailure) -> Void
  ) throws(FileFailure) {
    let names = file.outputs
    var files = AtomicFiles(
      in: names.folder, following: options.ruleToOutputs(of: file.input), access: access)
    try writeOutputs(&files)
    guard let text = try? sidecar.encoded() else {
      throw FileFailure(stage: .write, code: .inference, message: "a score is not a number")
    }
    try files.write(text, to: names.sidecar)
    files.stampLast(modified)
    try files.sync()
    guard let folder = files.root else { preconditionFailure("the sidecar was written") }
    // Of two runs that share no lock and come to the same file, one comes wholly after the other.
    try lock(folder, cancellation)
    defer { folder.unlock() }
    let stale = StaleOutputs(
      names, in: folder, slugs: (parser.contract.classes + parser.classes).map(ClassNames.slug),
      keeping: Set(sidecar.outputs.map(\.path)))
    // From here to the end there is no sidecar: killed in between, the file is parsed again.
    if let sidecar = names.sidecar.lastComponent { folder.remove(sidecar) }
    stale.remove()
    try files.commit()
  }
}
