import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import Synchronization
import SystemPackage

/// Why a file is parsed although outputs may be there.
public enum RebuildReason: String, Sendable {
  case new
  case changedInput = "changed input"
  case otherModel = "other model"
  case otherOptions = "other options"
  case otherFormat = "other output format"
  case outputMissing = "output missing"
  case unreadableSidecar = "unreadable sidecar"
  case forced
}

/// What a file's outputs are worth, as far as that can be told without reading the file.
public enum UpToDateStatus: Sendable, Equatable {
  /// The outputs are what a run would give.
  case current
  /// They are so if the input, whose time has changed, still has this SHA-256.
  case touched(sha256: String)
  case stale(RebuildReason)

  /// Whether a run gives other outputs for certain.
  public var isStale: Bool {
    if case .stale = self { true } else { false }
  }
}

/// A planned file, with what its outputs are worth.
public struct CheckedFile: Sendable {
  public let file: PlannedFile
  public let status: UpToDateStatus
}

/// Tells which outputs a run with one model and one set of options would give again: by what the
/// sidecars say, never by mere existence.
struct UpToDateCheck: Sendable {
  private let model: ModelIdentity
  private let options: Sidecar.Options
  /// The options as a sidecar holds them.
  private let optionsText: [UInt8]
  private let force: Bool

  /// - Parameters:
  ///   - model: The network of the run.
  ///   - options: Its options.
  ///   - force: Whether nothing is current.
  init(model: ModelIdentity, options: Sidecar.Options, force: Bool) {
    self.model = model
    self.options = options
    self.force = force
    optionsText = Sidecar.text(of: options)
  }

  /// Examines one file; the outputs of one that cannot be tried are never current.
  func callAsFunction(_ file: PlannedFile) -> UpToDateStatus {
    if force { return .stale(.forced) }
    if file.input.failure != nil { return .stale(.new) }
    let contents: FileReader.Contents
    do throws(FileFailure) {
      contents = try FileReader.read(file.outputs.sidecarPath, limit: Sidecar.sizeLimit)
    } catch {
      return .stale(FileStamp(path: file.outputs.sidecarPath) == nil ? .new : .unreadableSidecar)
    }
    let summary: SidecarSummary
    switch self.summary(contents.bytes) {
    case .failure(let reason): return .stale(reason.reason)
    case .success(let told): summary = told
    }
    for output in summary.outputs
    where FileStamp(path: file.outputs.folder.appending(output.path.components))?.size
      != output.size
    {
      return .stale(.outputMissing)
    }
    // What cannot be looked at fails when it is read.
    guard summary.inputName == file.input.path.fileName,
      let input = FileStamp(path: file.input.path), input.size == summary.inputSize
    else { return .stale(.changedInput) }
    let written = contents.stamp.modified
    return input.modified == written
      ? .current : .touched(sha256: summary.inputDigest)
  }

  /// How many threads examine: more than there are CPUs, since where nothing is in memory yet almost
  /// all of their time is the disk's, which is quickest when much is asked of it at once.
  private static let threads = 16

  /// Examines many files.
  ///
  /// - Parameters:
  ///   - files: What was planned.
  ///   - cancellation: Ends the examination; what is left then counts as new.
  /// - Returns: The files in their order.
  func callAsFunction(_ files: [PlannedFile], cancellation: Cancellation) -> [CheckedFile] {
    let slice = 64
    var statuses = [UpToDateStatus](repeating: .stale(.new), count: files.count)
    statuses.withUnsafeMutableBufferPointer { statuses in
      // Each slice is written by one thread.
      nonisolated(unsafe) let statuses = statuses
      let next = Atomic(0)
      let crew = (0..<min(Self.threads, (files.count + slice - 1) / slice)).map { _ in
        WorkerThread {
          while case let start = next.wrappingAdd(slice, ordering: .relaxed).oldValue,
            start < files.count, !cancellation.isCancelled
          {
            for file in start..<min(files.count, start + slice) {
              statuses[file] = self(files[file])
            }
          }
        }
      }
      for thread in crew { thread.join() }
    }
    return zip(files, statuses).map { CheckedFile(file: $0, status: $1) }
  }

  // MARK: - What a sidecar claims

  /// What a sidecar of the same model and options says.
  private struct SidecarSummary {
    let inputName: FilePath
    let inputSize: Int
    let inputDigest: String
    let outputs: [(path: FilePath, size: Int)]
  }

  private struct Refusal: Error {
    let reason: RebuildReason

    init(_ reason: RebuildReason) { self.reason = reason }
  }

  private func summary(_ text: [UInt8]) -> Result<SidecarSummary, Refusal> {
    if let glance = SidecarHeader(text), glance.formatVersion == Sidecar.currentFormatVersion,
      glance.modelName == model.name, glance.modelDigest == model.sha256,
      glance.options.elementsEqual(optionsText)
    {
      return .success(
        SidecarSummary(
          inputName: glance.inputName, inputSize: glance.inputSize,
          inputDigest: glance.inputDigest, outputs: glance.outputs))
    }
    struct Version: Decodable {
      let formatVersion: Int
      enum CodingKeys: String, CodingKey { case formatVersion = "format_version" }
    }
    let data = Data(text)
    guard let version = try? JSONDecoder().decode(Version.self, from: data) else {
      return .failure(Refusal(.unreadableSidecar))
    }
    if version.formatVersion != Sidecar.currentFormatVersion {
      return .failure(Refusal(.otherFormat))
    }
    guard let sidecar = try? JSONDecoder().decode(Sidecar.self, from: data) else {
      return .failure(Refusal(.unreadableSidecar))
    }
    if sidecar.model != model { return .failure(Refusal(.otherModel)) }
    if sidecar.options != options { return .failure(Refusal(.otherOptions)) }
    return .success(
      SidecarSummary(
        inputName: sidecar.input.name, inputSize: sidecar.input.size,
        inputDigest: sidecar.input.sha256, outputs: sidecar.outputs.map { ($0.path, $0.size) }))
  }
}
