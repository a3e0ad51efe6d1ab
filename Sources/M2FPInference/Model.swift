import CTorchInterface
import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import SystemPackage

/// A loaded network with its contract: immutable, shared by the sessions of all workers.
public final class Model: Sendable {
  public let archive: ModelArchive
  let torch: m2fp_torch_api
  // Immutable after load; the shim allows its use from any thread.
  nonisolated(unsafe) let handle: OpaquePointer

  /// Loads the network of `archive`, with its weights packed for `precision`.
  ///
  /// - Throws: ``RunFailure``: of kind ``RunFailure/Kind/modelContract`` when torch cannot load it, or
  ///   it does more than compute and is not trusted (``ModelArchive/isTrusted``),
  ///   of kind ``RunFailure/Kind/libraryMissing`` when torch itself cannot be loaded.
  public init(_ archive: ModelArchive, precision: Precision = .float32) throws(RunFailure) {
    let torch = try TorchLibrary.api()
    var error = m2fp_torch_error()
    let handle = torch.model_load(
      archive.file.raw, TorchPrecision(precision), archive.isTrusted, &error)
    guard let handle else {
      switch error.status {
      case .outOfMemory:
        throw RunFailure(.temporary, "not enough memory to load \(archive.path)")
      case .untrustedModel:
        throw RunFailure(
          .modelContract, "\(archive.path) may do more than compute: \(error.text)",
          detail: .untrustedModel(sha256: try archive.digest()))
      default:
        throw ModelArchive.unusable(archive.path, error.text)
      }
    }
    guard archive.isUnchanged else {
      torch.model_destroy(handle)
      throw ModelArchive.unusable(archive.path, "it was changed while it was read")
    }
    self.archive = archive
    self.torch = torch
    self.handle = handle
  }

  deinit { torch.model_destroy(handle) }
}

extension TorchPrecision {
  fileprivate init(_ precision: Precision) {
    switch precision {
    case .float32: self = .float32
    case .int16: self = .int16
    }
  }
}

/// A model archive that has been looked at but not loaded.
///
/// It is opened once: contract, digest and network are those of one file, whatever comes to bear its
/// name meanwhile.
public struct ModelArchive: Sendable {
  public let path: FilePath
  public let contract: ModelContract
  /// The archive's size in bytes.
  public var size: Int { stamp.size }
  /// Whether it may do more than compute, such as read and write files: an archive is a program.
  public var isTrusted = false
  /// Other models that this one needs, as its contract says; a ``ModelLocator`` opens them with it.
  public var helpers: [Helper: ModelArchive] = [:]

  /// What another model is needed for.
  public enum Helper: Sendable, CaseIterable {
    /// It finds the persons round whom there are crops.
    case finder
    /// It parses the crops, where the model does not do that itself.
    case crops
  }

  /// The model, and those that it needs.
  public var all: [ModelArchive] { [self] + Helper.allCases.compactMap { helpers[$0] } }
  /// The contract of the model that tells persons apart: its own, or that of the finder.
  public var personContract: ModelContract { helpers[.finder]?.contract ?? contract }
  let file: Descriptor
  private let stamp: FileStamp

  /// Reads the contract out of the archive at `path`; no torch is needed for it.
  ///
  /// - Throws: ``RunFailure``: missing, damaged, or with a contract this build cannot serve.
  public init(path: FilePath) throws(RunFailure) {
    do throws(Errno) {
      // Without waiting, should it be a pipe.
      file = Descriptor(try LinkRule.all.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY))
    } catch {
      throw RunFailure(.modelMissing, "no model at \(path): \(error.reason)", underlying: error)
    }
    guard let stamp = FileStamp(regularFile: file.file) else {
      throw RunFailure(.modelMissing, "\(path) is not a file; a model is one .pt archive")
    }
    self.path = path
    self.stamp = stamp
    let json: [UInt8]
    do throws(ArchiveRecord.Failure) {
      json = try ArchiveRecord.read("extra/contract.json", of: file.file)
    } catch {
      switch error {
      case .unreadable(let reason): throw Self.unusable(path, reason)
      case .missing:
        throw RunFailure(
          .modelContract, "\(path) is an archive without an m2fp contract", detail: .noContract)
      }
    }
    contract = try ModelContract(json: Data(json), path: path.string)
  }

  /// Whether nobody has written to the file since it was opened.
  var isUnchanged: Bool { FileStamp(regularFile: file.file) == stamp }

  /// The SHA-256 of the whole archive, in hexadecimal.
  ///
  /// - Throws: ``RunFailure`` when the archive cannot be read.
  public func digest() throws(RunFailure) -> String {
    do {
      return try DigestCache.standard(environment: ProcessInfo.processInfo.environment)
        .sha256(of: file.file)
    } catch {
      let cause = Errno(error)
      throw RunFailure(
        .modelMissing, "cannot read \(path): \(cause.reason)", underlying: cause)
    }
  }

  /// What tells results of this model from those of any other: the SHA-256 of the archive; where it
  /// needs other models, that of all SHA-256s, one behind the other.
  ///
  /// - Throws: ``RunFailure`` when an archive cannot be read.
  public func resultDigest() throws(RunFailure) -> String {
    var digests: [String] = []
    for archive in all { digests.append(try archive.digest()) }
    guard digests.count > 1 else { return digests[0] }
    return Array(digests.joined().utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
  }

  static func unusable(_ path: FilePath, _ reason: String) -> RunFailure {
    RunFailure(
      .modelContract, "\(path) is not a usable model archive: \(reason)", detail: .damagedModel)
  }
}
