import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Why outputs are made although some may be there.
public enum RebuildReason: Sendable, Equatable {
  case new
  case changedInput
  case otherModel
  /// The options that differ, by the sidecar's keys.
  case otherOptions([String])
  case otherFormat
  case outputMissing
  /// The class map shows other labels than the outputs: a person has edited it, or taken that back.
  case changedMap
  case unreadableSidecar
  /// Somebody may read the outputs who may not read the input.
  case tooOpen
  case forced

  /// A stable name, for programs and people.
  public var name: String {
    switch self {
    case .new: "new"
    case .changedInput: "changed input"
    case .otherModel: "other model"
    case .otherOptions: "other options"
    case .otherFormat: "other output format"
    case .outputMissing: "output missing"
    case .changedMap: "changed map"
    case .unreadableSidecar: "unreadable sidecar"
    case .tooOpen: "more open than the photo"
    case .forced: "forced"
    }
  }

  /// The options that differ.
  public var options: [String] {
    if case .otherOptions(let options) = self { options } else { [] }
  }
}

/// What a file's outputs are worth, as far as that can be told without reading the file.
public enum UpToDateStatus: Sendable, Equatable {
  /// The outputs are what a run would give.
  case current
  /// They are so if the input, whose time has changed, still has this SHA-256.
  case touched(sha256: String)
  /// The labels are, and other outputs are asked for: no network is needed.
  case render(RebuildReason)
  /// A person has corrected the class map: what is asked for is made of that.
  case edited
  case stale(RebuildReason)

  /// Whether the network is needed for certain.
  public var isStale: Bool {
    if case .stale = self { true } else { false }
  }

  /// Whether it may be needed, as far as is known.
  public var mayNeedNetwork: Bool {
    switch self {
    case .touched, .stale: true
    case .current, .render, .edited: false
    }
  }
}

/// Tells which outputs a run with one model and one set of options would give again: by what the
/// sidecars say, never by mere existence.
struct UpToDateCheck: Sendable {
  private let model: ModelIdentity?
  private let options: Sidecar.Options
  private let force: Bool
  private let overwriteEdited: Bool
  private let limits: ImageLimits
  private let memory: WeightedSemaphore
  /// How recorded options stand to those of the run, by their text: of many sidecars most say the
  /// same.
  private let coverages = Locked<[[UInt8]: OptionCoverage]>([:])

  /// - Parameters:
  ///   - model: The network of the run; nil where results of any count.
  ///   - options: The run's options.
  ///   - force: Whether nothing is current.
  ///   - overwriteEdited: Whether an edited map is taken for none.
  ///   - limits: How large a class map may be that has to be looked at.
  ///   - memory: Bytes that all threads together hold of sidecars and class maps.
  init(
    model: ModelIdentity?, options: Sidecar.Options, force: Bool, overwriteEdited: Bool = false,
    limits: ImageLimits, memory: WeightedSemaphore
  ) {
    self.limits = limits
    self.memory = memory
    self.model = model
    self.options = options
    self.force = force
    self.overwriteEdited = overwriteEdited
  }

  /// Examines one file; the outputs of one that cannot be tried are never current.
  func callAsFunction(_ file: PlannedFile) -> UpToDateStatus {
    if file.input.failure != nil { return .stale(.new) }
    let names = file.outputs
    guard let size = FileStamp(path: names.sidecarPath)?.size else {
      return .stale(force ? .forced : .new)
    }
    let (header, stamp, access): (Header, FileStamp, FileAccess)
    do throws(Refusal) {
      (header, stamp, access) = try memory.holding(Sidecar.bytesToDecode(size)) {
        () throws(Refusal) in
        guard
          let contents = try? FileReader.read(
            names.sidecarPath, limit: Sidecar.sizeLimit, following: names.rule)
        else { throw Refusal(.unreadableSidecar) }
        return (try self.header(contents.bytes), contents.stamp, contents.access)
      }
    } catch {
      return .stale(force ? .forced : error.reason)
    }
    let map = ClassMap.state(
      names,
      ClassMap.Record(
        size: header.outputs.first { $0.path == names.map }?.size, digest: header.labelsDigest,
        isEdited: header.isEdited, width: header.inputWidth, height: header.inputHeight),
      modified: stamp.modified, limits: limits, sharing: memory)
    if map == .edited, !overwriteEdited { return .edited }
    if force { return model == nil && map != .lost ? .render(.forced) : .stale(.forced) }
    if let model, header.model != model { return .stale(.otherModel) }
    if case .network(let differences) = header.coverage {
      return .stale(.otherOptions(differences))
    }
    // Version 2 has not what others are rendered from.
    let isWhole = !header.labelsDigest.isEmpty
    if case .render = header.coverage, !isWhole { return .stale(.otherFormat) }
    if map == .lost || map == .edited { return .stale(.outputMissing) }
    // What cannot be looked at fails when it is read; where no network is at hand, it may be missing.
    let input = FileStamp(path: file.input.path)
    guard header.inputName == file.input.path.fileName,
      input?.size == header.inputSize || input == nil && model == nil
    else { return .stale(.changedInput) }
    if case .render(let differences) = header.coverage {
      return .render(.otherOptions(differences))
    }
    if header.isEdited { return .render(.changedMap) }
    for output in header.outputs
    where (header.coverage == .all || isWanted(names.kind(of: output.path)))
      && FileStamp(path: names.folder.appending(output.path.components))?.size != output.size
    {
      return isWhole ? .render(.outputMissing) : .stale(.outputMissing)
    }
    if let photo = FileAccess(path: file.input.path), access.exceeds(photo) {
      return isWhole ? .render(.tooOpen) : .stale(.tooOpen)
    }
    return input.map { $0.modified == stamp.modified } ?? true && map == .untouched
      ? .current : .touched(sha256: header.inputDigest)
  }

  /// Whether an output is among those that are asked for.
  private func isWanted(_ kind: OutputKind?) -> Bool {
    switch kind {
    case .labelMap: true
    case .mask(let slug): options.masks.contains(slug)
    case .personMap: options.persons?.map ?? false
    case .personMask(let slug, _): options.persons?.masks.contains(slug) ?? false
    case .overlay: options.overlay != nil
    case .cutout, .personCutout: options.cutout != nil
    case .obscured: options.obscured != nil
    case nil: false
    }
  }

  /// Examines many files.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - cancellation: Ends the examination; what is left then counts as new.
  /// - Returns: The files in their order.
  func callAsFunction(_ files: [PlannedFile], cancellation: Cancellation) -> CheckedFiles {
    var statuses = [UpToDateStatus](repeating: .stale(.new), count: files.count)
    statuses.withUnsafeMutableBufferPointer { statuses in
      // Each is written by one thread.
      nonisolated(unsafe) let statuses = statuses
      DiskThreads.perform(files.count, cancellation: cancellation) { file in
        statuses[file] = self(files[file])
      }
    }
    return CheckedFiles(zip(files, statuses).map { FileJob($0, status: $1) })
  }

  // MARK: - What a sidecar claims

  /// What a sidecar says, and how its options stand to those of the run.
  private struct Header {
    let model: ModelIdentity
    let coverage: OptionCoverage
    let inputName: FilePath
    let inputSize: Int
    let inputDigest: String
    let inputWidth: Int
    let inputHeight: Int
    let labelsDigest: String
    let isEdited: Bool
    let outputs: [(path: FilePath, size: Int)]
  }

  private struct Refusal: Error {
    let reason: RebuildReason

    init(_ reason: RebuildReason) { self.reason = reason }
  }

  private func coverage(text: ArraySlice<UInt8>) -> OptionCoverage? {
    let text = Array(text)
    if let known = coverages.withLock({ $0[text] }) { return known }
    guard let recorded = try? JSONDecoder().decode(Sidecar.Options.self, from: Data(text)) else {
      return nil
    }
    let coverage = options.coverage(by: recorded, ofAnyNetwork: model == nil)
    coverages.withLock { $0[text] = coverage }
    return coverage
  }

  private func header(_ text: [UInt8]) throws(Refusal) -> Header {
    if let header = SidecarHeader(text), header.formatVersion == Sidecar.currentFormatVersion,
      let coverage = coverage(text: header.options)
    {
      return Header(
        model: ModelIdentity(name: header.modelName, sha256: header.modelDigest),
        coverage: coverage, inputName: header.inputName, inputSize: header.inputSize,
        inputDigest: header.inputDigest, inputWidth: header.inputWidth,
        inputHeight: header.inputHeight, labelsDigest: header.labelsDigest,
        isEdited: !header.editedDigest.isEmpty, outputs: header.outputs)
    }
    struct Version: Decodable {
      let formatVersion: Int
      enum CodingKeys: String, CodingKey { case formatVersion = "format_version" }
    }
    let data = Data(text)
    guard let version = try? JSONDecoder().decode(Version.self, from: data) else {
      throw Refusal(.unreadableSidecar)
    }
    guard [2, Sidecar.currentFormatVersion].contains(version.formatVersion) else {
      throw Refusal(.otherFormat)
    }
    guard let sidecar = try? JSONDecoder().decode(Sidecar.self, from: data) else {
      throw Refusal(.unreadableSidecar)
    }
    return Header(
      model: sidecar.model,
      coverage: options.coverage(by: sidecar.options, ofAnyNetwork: model == nil),
      inputName: sidecar.input.name, inputSize: sidecar.input.size,
      inputDigest: sidecar.input.sha256, inputWidth: sidecar.input.width,
      inputHeight: sidecar.input.height, labelsDigest: sidecar.labels?.sha256 ?? "",
      isEdited: sidecar.labels?.edited != nil,
      outputs: sidecar.outputs.map { ($0.path, $0.size) })
  }
}
