import Foundation
import M2FPCore
import M2FPDigest
import M2FPImageIO

/// The path of one image in three steps, each a function from one value to the next, so that they
/// can run on different threads: ``load(_:)`` → ``parse(_:session:postprocessor:)`` → ``write(_:)``.
struct FilePipeline: Sendable {
  let options: BatchOptions
  let contract: ModelContract
  let network: Sidecar.Network
  let recordedOptions: Sidecar.Options
  let encoder: OutputEncoder

  init(options: BatchOptions, contract: ModelContract, network: Sidecar.Network) {
    self.options = options
    self.contract = contract
    self.network = network
    self.recordedOptions = options.recorded(contract: contract)
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
    var times: StageTimes
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
  }

  func makePreprocessor() -> Preprocessor {
    Preprocessor(contract.preprocess, maxSide: options.maxSide)
  }

  /// Reads, decodes and resizes, unless the outputs are current.
  func load(_ file: PlannedFile, preprocessor: Preprocessor) -> LoadResult {
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
    let previous = options.force ? nil : currentSidecar(of: file)
    if let previous, isUnchanged(path, since: previous, sidecar: file.outputs.sidecar) {
      return done(.current)
    }
    do throws(FileFailure) {
      let contents = try times.measure(.read) { () throws(FileFailure) in
        try FileReader.read(path, limit: options.maxFileSize)
      }
      let digest = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      if let previous, previous.input.sha256 == digest {
        touch(file.outputs.sidecar, contents.stamp.modified)
        return done(.current)
      }
      let decoded = try times.measure(.decode) { () throws(FileFailure) in
        try ImageDecoder.decode(contents.bytes, limits: options.limits)
      }
      warnings = decoded.warnings
      let image = decoded.image
      let geometry = preprocessor.geometry(width: image.width, height: image.height)
      let content = times.measure(.resize) { preprocessor.content(of: image, geometry: geometry) }
      let source = Sidecar.Source(
        name: Paths.lastComponent(path), size: contents.stamp.size, sha256: digest,
        format: decoded.format, orientation: decoded.orientation, width: image.width,
        height: image.height)
      return .loaded(
        Loaded(
          file: file, source: source, modified: contents.stamp.modified, geometry: geometry,
          content: content, original: options.needPhoto ? image : nil, warnings: warnings,
          times: times))
    } catch {
      return done(.failed(error))
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
        warnings: loaded.warnings)
    }
    do throws(FileFailure) {
      let encoded = try times.measure(.encode) { () throws(FileFailure) in
        try encoder.encode(parsed.result, photo: loaded.original, names: loaded.file.outputs)
      }
      let folder = Paths.join(loaded.file.outputs.folder, "")
      let sidecar = Sidecar(
        source: loaded.source, model: network, options: recordedOptions,
        classes: encoder.classes, result: parsed.result,
        outputs: encoded.map {
          Sidecar.Output(path: String($0.path.dropFirst(folder.count)), size: $0.image.count)
        })
      try times.measure(.write) { () throws(FileFailure) in
        try store(encoded, sidecar: sidecar, loaded: loaded)
      }
      return outcome(.parsed(sidecar))
    } catch {
      return outcome(.failed(error))
    }
  }

  // MARK: - Is it current?

  private func currentSidecar(of file: PlannedFile) -> Sidecar? {
    guard let sidecar = Sidecar.read(file.outputs.sidecar),
      sidecar.input.name == Paths.lastComponent(file.input.path),
      sidecar.staleness(model: network, options: recordedOptions, folder: file.outputs.folder)
        == nil
    else { return nil }
    return sidecar
  }

  private func isUnchanged(_ path: String, since previous: Sidecar, sidecar: String) -> Bool {
    guard let input = FileStamp(path: path), let written = FileStamp(path: sidecar) else {
      return false
    }
    return input.size == previous.input.size
      && input.modified.tv_sec == written.modified.tv_sec
      && input.modified.tv_nsec == written.modified.tv_nsec
  }

  /// Remembers that an input with this modification time has been seen to be the same.
  private func touch(_ sidecar: String, _ time: timespec) {
    _ = [time, time].withUnsafeBufferPointer { utimensat(AT_FDCWD, sidecar, $0.baseAddress, 0) }
  }

  // MARK: - Outputs

  private func store(
    _ encoded: [OutputEncoder.Encoded], sidecar: Sidecar, loaded: Loaded
  ) throws(FileFailure) {
    let names = loaded.file.outputs
    var files = AtomicFiles(in: names.folder)
    for output in encoded {
      try output.image.withUnsafeBytes { (bytes) throws(FileFailure) in
        try files.write(bytes, to: output.path)
      }
    }
    guard let text = try? sidecar.encoded() else {
      throw FileFailure(stage: .write, code: .inference, message: "a score is not a number")
    }
    try files.write(text, to: names.sidecar)
    files.stampLast(loaded.modified)
    try files.sync()
    let stale = StaleOutputs(
      names, slugs: (contract.classes + encoder.classes).map(ClassNames.slug),
      keeping: Set(encoded.map(\.path)))
    // From here to the end there is no sidecar: killed in between, the file is parsed again.
    unlink(names.sidecar)
    stale.remove()
    try files.commit()
  }
}
