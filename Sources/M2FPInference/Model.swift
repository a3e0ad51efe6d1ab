import CTorchInterface
import Foundation
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
  /// - Throws: ``RunFailure``: of kind ``RunFailure/Kind/modelContract`` when torch cannot load it,
  ///   of kind ``RunFailure/Kind/libraryMissing`` when torch itself cannot be loaded.
  public init(_ archive: ModelArchive, precision: Precision = .float32) throws(RunFailure) {
    let torch = try TorchLibrary.api()
    var error = m2fp_torch_error()
    guard
      let handle = archive.path.withPlatformString({
        torch.model_load($0, TorchPrecision(precision), &error)
      })
    else {
      throw error.status == .outOfMemory
        ? RunFailure(.temporary, "not enough memory to load \(archive.path)")
        : ModelArchive.unusable(archive.path, error.text)
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
public struct ModelArchive: Sendable {
  public let path: FilePath
  public let contract: ModelContract
  /// The archive's size in bytes.
  public let size: Int

  /// Reads the contract out of the archive at `path`; no torch is needed for it.
  ///
  /// - Throws: ``RunFailure``: missing, damaged, or with a contract this build cannot serve.
  public init(path: FilePath) throws(RunFailure) {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else {
      let error = Errno.last
      throw RunFailure(.modelMissing, "no model at \(path): \(error.reason)", underlying: error)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw RunFailure(.modelMissing, "\(path) is not a file; a model is one .pt archive")
    }
    self.path = path
    self.size = Int(status.st_size)
    let json: [UInt8]
    do throws(ArchiveRecord.Failure) {
      json = try Self.contractText(path)
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

  private static func contractText(_ path: FilePath) throws(ArchiveRecord.Failure) -> [UInt8] {
    try path.withPlatformString { path in
      Result { () throws(ArchiveRecord.Failure) in
        try ArchiveRecord.read("extra/contract.json", ofFile: path)
      }
    }.get()
  }

  /// The SHA-256 of the whole archive, in hexadecimal.
  ///
  /// - Throws: ``RunFailure`` when the archive cannot be read.
  public func digest() throws(RunFailure) -> String {
    do {
      return try DigestCache.standard(environment: ProcessInfo.processInfo.environment)
        .sha256(ofFile: path)
    } catch {
      let cause = Errno(error)
      throw RunFailure(
        .modelMissing, "cannot read \(path): \(cause.reason)", underlying: cause)
    }
  }

  static func unusable(_ path: FilePath, _ reason: String) -> RunFailure {
    RunFailure(
      .modelContract, "\(path) is not a usable model archive: \(reason)", detail: .damagedModel)
  }
}
