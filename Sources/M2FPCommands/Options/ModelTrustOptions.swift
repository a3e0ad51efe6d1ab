import ArgumentParser
import M2FPCore
import M2FPInference
import M2FPResults

/// Which archives may be run: a model is a program.
struct ModelTrustOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Refuse the model unless this is the SHA-256 of its archive, or of those of all models that it \
      needs ('m2fp doctor' shows it). Default: any will do.
      """, valueName: "sha256"))
  var modelSha256: String?

  @Option(
    help: ArgumentHelp(
      """
      Run the archive of this SHA-256 although it does more than compute: it may read and write any \
      file. May be repeated. Default: none.
      """, valueName: "sha256"))
  var trustModel: [String] = []

  func validate() throws {
    for digest in trustModel + [modelSha256].compactMap(\.self)
    where digest.wholeMatch(of: /[0-9A-Fa-f]{64}/) == nil {
      throw ValidationError("'\(digest)' is no SHA-256: 64 hexadecimal digits.")
    }
  }

  /// The archive as the options have it.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/modelContract`` where it is another than is
  ///   wanted.
  func checked(_ archive: ModelArchive) throws(RunFailure) -> ModelArchive {
    guard modelSha256 != nil || !trustModel.isEmpty else { return archive }
    if let modelSha256 {
      let digest = try archive.resultDigest()
      guard modelSha256.lowercased() == digest else {
        let all = archive.helpers.isEmpty ? "" : " with those that it needs"
        throw RunFailure(
          .modelContract,
          "\(archive.path)\(all) is not the model that is wanted: its SHA-256 is \(digest)",
          detail: .otherModel(sha256: digest))
      }
    }
    func isTrusted(_ digest: String) -> Bool {
      trustModel.contains { $0.lowercased() == digest }
    }
    var archive = archive
    archive.isTrusted = isTrusted(try archive.digest())
    for (helper, model) in archive.helpers {
      archive.helpers[helper]?.isTrusted = isTrusted(try model.digest())
    }
    return archive
  }
}

extension ModelIdentity {
  /// What results of a model bear.
  ///
  /// - Throws: ``RunFailure`` when the archive cannot be read.
  init(_ archive: ModelArchive) throws(RunFailure) {
    self.init(name: archive.contract.model, sha256: try archive.resultDigest())
  }
}
