import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// The path of one image in three steps, each a function from one value to the next, so that they
/// can run on different threads: ``load(_:)`` → ``parse(_:session:postprocessor:)`` → ``write(_:)``.
struct FileProcessor: Sendable {
  let options: BatchOptions
  let contract: ModelContract
  let network: ModelIdentity
  let recordedOptions: Sidecar.Options
  let isCurrent: UpToDateCheck
  let encoder: OutputEncoder
  let keys = InFlightKeys()

  init(options: BatchOptions, contract: ModelContract, network: ModelIdentity) {
    self.options = options
    self.contract = contract
    self.network = network
    self.recordedOptions = options.recorded(contract: contract)
    self.isCurrent = UpToDateCheck(
      model: network, options: recordedOptions, force: options.force)
    self.encoder = OutputEncoder(options: options, classes: options.classes(of: contract))
  }

  /// An image decoded and resized: all that inference needs, and little of it.
  struct Loaded: Sendable {
    let file: PlannedFile
    let source: Sidecar.Source
    let modified: timespec
    let geometry: NetworkGeometry
    /// The image at the network's content size.
    let content: RGBImage
    /// The image at its own size, kept only where outputs need its pixels.
    let original: RGBImage?
    let warnings: [String]
    /// Where the result goes in the cache, if there is one.
    let cacheKey: CacheKey?
    var times: StageTimes

    /// All that there is to say about the file.
    var notes: [String] { warnings + (cacheKey?.damage ?? []) }
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
    let result: ParsingResult
    var times: StageTimes
  }

  enum LoadResult: Sendable {
    case loaded(Loaded)
    case done(Outcome)
    /// Another file with the same bytes is on its way to the cache under this key.
    case deferred(key: String)
  }

  func makePreprocessor() -> Preprocessor {
    Preprocessor(contract.preprocess, maxSide: options.maxSide)
  }

  /// Reads, decodes and resizes, unless the outputs turn out to be current or the cache has them.
  ///
  /// - Parameters:
  ///   - checked: The file.
  ///   - preprocessor: The calling thread's.
  ///   - mayDefer: Whether to put the file off while another with the same bytes is on its way.
  /// - Returns: The image, unless the file was done or put off.
  func load(
    _ checked: CheckedFile, preprocessor: Preprocessor, mayDefer: Bool
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
        try FileReader.read(path, limit: options.maxFileSize)
      }
      let digest = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      if checked.status == .touched(sha256: digest) {
        touch(file.outputs.sidecarPath, contents.stamp.modified)
        return done(.current)
      }
      var cacheKey: CacheKey?
      if let cache = options.cache {
        let key = ResultCache.key(input: digest, model: network, options: recordedOptions)
        var damage: [String] = []
        switch options.force ? .miss : cache.fetch(key) {
        case .hit(let entry):
          warnings = entry.warnings
          let sidecar = try times.measure(.write) { () throws(FileFailure) in
            try store(entry, file: file, modified: contents.stamp.modified)
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
      let decoded = try times.measure(.decode) { () throws(FileFailure) in
        try ImageDecoder.decode(contents.bytes, limits: options.limits)
      }
      warnings = decoded.warnings
      let image = decoded.image
      let geometry = preprocessor.geometry(width: image.width, height: image.height)
      let content = times.measure(.resize) { preprocessor.content(of: image, geometry: geometry) }
      let source = Sidecar.Source(
        name: path.fileName, size: contents.stamp.size, sha256: digest,
        format: decoded.format, orientation: decoded.orientation, width: image.width,
        height: image.height)
      return .loaded(
        Loaded(
          file: file, source: source, modified: contents.stamp.modified, geometry: geometry,
          content: content, original: options.needPhoto ? image : nil, warnings: warnings,
          cacheKey: cacheKey, times: times))
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
        let contents = try FileReader.read(checked.file.input.path, limit: options.maxFileSize)
        let isSame = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } == digest
        return outcome(isSame ? .current : .planned(.changedInput))
      } catch {
        return outcome(.failed(error))
      }
    }
  }

  /// Runs the network and merges what it returns.
  func parse(
    _ loaded: Loaded, preprocessor: Preprocessor, session: any NetworkSession,
    postprocessor: Postprocessor
  ) throws(FileFailure) -> Parsed {
    var times = loaded.times
    let start = DispatchTime.now().uptimeNanoseconds
    var merge = StageTimes()
    let result = try session.run(
      width: loaded.geometry.inputWidth, height: loaded.geometry.inputHeight,
      fill: { preprocessor.fill($0, content: loaded.content, geometry: loaded.geometry) },
      body: { output in
        merge.measure(.merge) {
          let result = postprocessor.run(
            output, geometry: loaded.geometry, persons: options.persons)
          return options.remap.map { result.remapped(by: $0) } ?? result
        }
      })
    let merging = merge.seconds[.merge] ?? 0
    times.add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 - merging, to: .infer)
    times.add(merging, to: .merge)
    return Parsed(loaded: loaded, result: result, times: times)
  }

  /// Encodes and writes all outputs of one image, the sidecar last.
  func write(_ parsed: Parsed) -> Outcome {
    let loaded = parsed.loaded
    var times = parsed.times
    func outcome(_ result: Outcome.Result) -> Outcome {
      Outcome(
        input: loaded.file.input, outputs: loaded.file.outputs, result: result, seconds: times,
        warnings: loaded.notes)
    }
    do throws(FileFailure) {
      let encoded = try times.measure(.encode) { () throws(FileFailure) in
        try encoder.encode(parsed.result, photo: loaded.original, names: loaded.file.outputs)
      }
      let sidecar = Sidecar(
        source: loaded.source, model: network, options: recordedOptions,
        classes: encoder.classes, result: parsed.result,
        outputs: encoded.map {
          Sidecar.Output(path: $0.path, size: $0.image.count)
        })
      try times.measure(.write) { () throws(FileFailure) in
        try store(sidecar, names: loaded.file.outputs, modified: loaded.modified) {
          (files) throws(FileFailure) in
          for output in encoded {
            try output.image.withUnsafeBytes { (bytes) throws(FileFailure) in
              try files.write(bytes, to: output.path)
            }
          }
        }
        if let cacheKey = loaded.cacheKey {
          options.cache?.store(
            cacheKey.key, sidecar: sidecar, stem: loaded.file.outputs.stem,
            warnings: loaded.warnings,
            outputs: encoded.map { output in
              { memory in output.image.withUnsafeBytes { memory.copyMemory(from: $0) } }
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
      [time, time].withUnsafeBufferPointer { utimensat(AT_FDCWD, sidecar, $0.baseAddress, 0) }
    }
  }

  // MARK: - Outputs

  /// Writes what the cache has of an input with the same bytes.
  private func store(
    _ entry: ResultCache.Entry, file: PlannedFile, modified: timespec
  ) throws(FileFailure) -> Sidecar {
    let names = file.outputs
    let sidecar = entry.sidecar.renamed(
      input: file.input.path.fileName, from: [], to: names.stem)
    try store(sidecar, names: names, modified: modified) { (files) throws(FileFailure) in
      try entry.forEachOutput { (output, bytes, original) throws(FileFailure) in
        try files.write(
          bytes, to: FilePath().appending(name: names.stem + output.path.bytes), sharing: original)
      }
    }
    return sidecar
  }

  /// Writes the outputs that `writeOutputs` gives, then the sidecar; removes what is stale.
  private func store(
    _ sidecar: Sidecar, names: OutputNames, modified: timespec,
    writeOutputs: (inout AtomicFiles) throws(FileFailure) -> Void
  ) throws(FileFailure) {
    var files = AtomicFiles(in: names.folder)
    try writeOutputs(&files)
    guard let text = try? sidecar.encoded() else {
      throw FileFailure(stage: .write, code: .inference, message: "a score is not a number")
    }
    try files.write(text, to: names.sidecar)
    files.stampLast(modified)
    try files.sync()
    guard let folder = files.root else { preconditionFailure("the sidecar was written") }
    // Of two runs that share no lock and come to the same file, one comes wholly after the other.
    folder.lock()
    defer { folder.unlock() }
    let stale = StaleOutputs(
      names, in: folder, slugs: (contract.classes + encoder.classes).map(ClassNames.slug),
      keeping: Set(sidecar.outputs.map(\.path)))
    // From here to the end there is no sidecar: killed in between, the file is parsed again.
    if let sidecar = names.sidecar.lastComponent { folder.remove(sidecar) }
    stale.remove()
    try files.commit()
  }
}
