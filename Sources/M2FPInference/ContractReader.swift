import Foundation
import M2FPCore

extension ModelContract {
  /// Reads and checks the contract of an archive.
  ///
  /// - Parameters:
  ///   - json: The text of the archive's `contract.json`.
  ///   - path: The archive, for the message.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/modelContract``.
  init(json: Data, path: String) throws(RunFailure) {
    // The version first: the rest of an unknown version means nothing to this build.
    struct Version: Decodable {
      let formatVersion: Int
      enum CodingKeys: String, CodingKey { case formatVersion = "format_version" }
    }
    let supported = Self.supportedFormatVersion
    let contract: ModelContract
    do {
      let version = try JSONDecoder().decode(Version.self, from: json).formatVersion
      guard version == supported else {
        throw RunFailure(
          .modelContract,
          "\(path) has a contract of version \(version), and this m2fp reads version "
            + "\(supported)",
          detail: .contractVersion(isNewer: version > supported))
      }
      contract = try JSONDecoder().decode(ModelContract.self, from: json)
    } catch let failure as RunFailure {
      throw failure
    } catch {
      throw RunFailure(
        .modelContract,
        "the contract in \(path) cannot be read (\(Self.describe(error)))",
        detail: .unusableContract)
    }
    if let problem = contract.inconsistency {
      throw RunFailure(
        .modelContract,
        "the contract in \(path) contradicts itself: \(problem)", detail: .unusableContract)
    }
    self = contract
  }

  private static func describe(_ error: any Error) -> String {
    switch error {
    case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
    default: "it is not valid JSON"
    }
  }
}
