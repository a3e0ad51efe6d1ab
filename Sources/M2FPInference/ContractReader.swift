import FoundationEssentials
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
    let newest = Self.formatVersion
    let contract: ModelContract
    do {
      let version = try JSONDecoder().decode(Version.self, from: json).formatVersion
      guard (1...newest).contains(version) else {
        throw RunFailure(
          .modelContract,
          "\(path) has a contract of version \(version), and this m2fp reads versions 1 to "
            + "\(newest)",
          detail: .contractVersion(isNewer: version > newest))
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

  /// Which field is wrong, and how.
  private static func describe(_ error: any Error) -> String {
    func field(_ path: [any CodingKey]) -> String {
      "'\(path.map(\.stringValue).joined(separator: "."))'"
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context):
      "\(field(context.codingPath + [key])) is missing"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
      "\(field(context.codingPath)) has the wrong type"
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      "\(field(context.codingPath)): \(context.debugDescription)"
    default: "it is not valid JSON"
    }
  }
}
