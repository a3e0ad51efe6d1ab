import FoundationEssentials
import Glibc
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

extension FileProcessor {
  /// Encodes and writes all outputs of one image, the sidecar last.
  ///
  /// - Parameters:
  ///   - parsed: What was found in it.
  ///   - cancellation: Ends waiting for a lock.
  /// - Returns: What became of the file.
  func write(_ parsed: Parsed, cancellation: Cancellation) -> Outcome {
    var times = parsed.times
    let job = parsed.loaded.job
    do throws(FileFailure) {
      let (result, removed): (Outcome.Result, [FilePath]) =
        switch parsed.content {
        case .parsed(let found, let photo):
          try write(found, of: photo, file: job.file, times: &times, cancellation)
        case .restored(let restored):
          try write(restored, file: job.file, times: &times, cancellation)
        }
      return job.outcome(result, times, warnings: parsed.notes, removed: removed)
    } catch {
      return job.outcome(.failed(error), times, warnings: parsed.notes)
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
      if keepsMap, !restored.stored.isEdited {
        touch([names.map], of: names, restored.modified)
      }
      return removed
    }
    return (restored.stored.isEdited ? .edited(sidecar) : .rendered(sidecar), removed)
  }

  private static func text(_ sidecar: Sidecar) throws(FileFailure) -> Data {
    if let text = try? sidecar.encoded() { return text }
    throw FileFailure(stage: .write, code: .inference, message: "a score is not a number")
  }

  /// Remembers in map and sidecar that an input with this modification time has been seen to be the
  /// same.
  func touch(_ files: [FilePath], of names: OutputNames, _ time: timespec) {
    guard let folder = try? OpenFolder(names.folder, following: names.rule) else { return }
    for name in files.compactMap(\.lastComponent) { folder.touch(name, time) }
  }

  /// Takes from results that stay as they are what the photo does not give; from the sidecar last, by
  /// which it is seen that this is to be done.
  func restrict(_ names: OutputNames, _ restored: Restored) {
    guard let folder = try? OpenFolder(names.folder, following: names.rule),
      let sidecar = names.sidecar.lastComponent
    else { return }
    names.restrict(restored.stored.sidecar.outputs, in: folder, to: restored.access)
    folder.restrict(sidecar, to: restored.access)
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
  func store(
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
    names.restrict(sidecar.outputs, in: folder, to: access)
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
    try files.commit()
    return removed
  }

  /// Looks once more, now that the map is about to be replaced: a person may have saved it meanwhile.
  private func checkUnedited(_ names: OutputNames, _ previous: Sidecar?) throws(FileFailure) {
    guard !options.overwriteEdited, let previous,
      let written = FileStamp(path: names.sidecarPath)?.modified,
      ClassMap.state(
        names, ClassMap.Record(previous, names: names), modified: written, limits: parsing.limits)
        == .edited
    else { return }
    throw FileFailure(
      stage: .write, code: .edited,
      message: "\(names.mapPath) was corrected by hand while the photo was parsed: run again")
  }
}
