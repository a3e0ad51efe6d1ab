import CTorchSession
import Foundation
import M2FPCore
import M2FPDigest

/// A loaded network with its contract: immutable, shared by the sessions of all workers.
public final class Model: Sendable {
  public let archive: ModelArchive
  // Immutable after load; the shim allows its use from any thread.
  nonisolated(unsafe) let handle: OpaquePointer

  /// Loads the network of `archive`.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/modelContract`` when torch cannot load it.
  public init(_ archive: ModelArchive) throws(RunFailure) {
    var error = m2fp_torch_error()
    guard let handle = m2fp_model_load(archive.path, &error) else {
      throw ModelArchive.failure(error, path: archive.path)
    }
    self.archive = archive
    self.handle = handle
  }

  deinit { m2fp_model_destroy(handle) }
}

/// A model archive that has been looked at but not loaded.
public struct ModelArchive: Sendable {
  public let path: String
  public let contract: ModelContract
  /// The archive's size in bytes.
  public let size: Int

  /// Reads the contract out of the archive at `path`.
  ///
  /// - Throws: ``RunFailure``: missing, damaged, or with a contract this build cannot serve.
  public init(path: String) throws(RunFailure) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw RunFailure(
        .modelMissing,
        "no model at \(path): \(String(cString: strerror(errno))). "
          + "'m2fp models' lists the models that are installed.")
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw RunFailure(.modelMissing, "\(path) is not a file; a model is one .pt archive.")
    }
    var error = m2fp_torch_error()
    var length = 0
    guard let bytes = m2fp_contract_read(path, &length, &error) else {
      throw Self.failure(error, path: path)
    }
    defer { m2fp_contract_free(bytes) }
    self.path = path
    self.size = Int(status.st_size)
    self.contract = try Self.decodeContract(Data(bytes: bytes, count: length), path: path)
  }

  /// The SHA-256 of the whole archive, in hexadecimal.
  ///
  /// - Throws: ``RunFailure`` when the archive cannot be read.
  public func digest() throws(RunFailure) -> String {
    do {
      return try SHA256.hexadecimal(ofFile: path)
    } catch {
      throw RunFailure(.modelMissing, "cannot read \(path): \(error.localizedDescription)")
    }
  }

  /// Reads and checks a contract.
  static func decodeContract(_ json: Data, path: String) throws(RunFailure) -> ModelContract {
    // The version first: the rest of an unknown version means nothing to this build.
    struct Version: Decodable {
      let formatVersion: Int
      enum CodingKeys: String, CodingKey { case formatVersion = "format_version" }
    }
    let supported = ModelContract.supportedFormatVersion
    let contract: ModelContract
    do {
      let version = try JSONDecoder().decode(Version.self, from: json).formatVersion
      guard version == supported else {
        throw RunFailure(
          .modelContract,
          "\(path) has a contract of version \(version), and this m2fp reads version \(supported). "
            + (version > supported
              ? "Update m2fp, or export the model anew with this version's Models/export.py."
              : "Export the model anew with this version's Models/export.py."))
      }
      contract = try JSONDecoder().decode(ModelContract.self, from: json)
    } catch let failure as RunFailure {
      throw failure
    } catch {
      throw RunFailure(
        .modelContract,
        "the contract in \(path) cannot be read (\(Self.describe(error))). "
          + "Export the model anew with Models/export.py.")
    }
    if let problem = contract.inconsistency {
      throw RunFailure(
        .modelContract,
        "the contract in \(path) contradicts itself: \(problem). "
          + "Export the model anew with Models/export.py.")
    }
    return contract
  }

  private static func describe(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
    default: "it is not valid JSON"
    }
  }

  static func failure(_ error: m2fp_torch_error, path: String) -> RunFailure {
    switch error.status {
    case .noContract:
      RunFailure(
        .modelContract,
        "\(path) is a TorchScript archive without an m2fp contract. "
          + "Make one with Models/export.py.")
    case .outOfMemory:
      RunFailure(.internal, "not enough memory to load \(path).")
    default:
      RunFailure(
        .modelContract,
        "\(path) is not a usable model archive: \(error.text). "
          + "Copy or export it anew; 'm2fp doctor' shows which models are sound.")
    }
  }
}

extension m2fp_torch_error {
  /// The message as a string.
  var text: String {
    withUnsafeBytes(of: message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
