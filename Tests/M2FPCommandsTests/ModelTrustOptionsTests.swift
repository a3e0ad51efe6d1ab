import ArgumentParser
import M2FPCore
import M2FPInference
import TestSupport
import Testing

@testable import M2FPCommands

/// A model that needs another one is as much to be trusted as both.
struct ModelTrustOptionsTests {
  private let archive: ModelArchive
  private let finder: ModelArchive

  init() throws {
    archive = try ModelLocator(folders: [Fixtures.filePath("models")]).open(.named("colour-crops"))
    finder = try #require(archive.helpers[.finder])
  }

  @Test func issue21TrustIsOfOneArchiveAndNotOfThoseThatItNeeds() throws {
    let none = try ModelTrustOptions.parse([]).checked(archive)
    #expect(none.all.allSatisfy { !$0.isTrusted })
    let own = try ModelTrustOptions.parse(["--trust-model", archive.digest()]).checked(archive)
    #expect(own.all.map(\.isTrusted) == [true, false])
    let digest = try finder.digest().uppercased()
    let other = try ModelTrustOptions.parse(["--trust-model", digest]).checked(archive)
    #expect(other.all.map(\.isTrusted) == [false, true])
  }

  @Test func issue21WhoWantsAModelWantsThoseThatItNeedsAsTheyAre() throws {
    let together = try archive.resultDigest()
    let wanted = try ModelTrustOptions.parse(["--model-sha256", together]).checked(archive)
    #expect(wanted.all.count == 2)
    // The archive alone says nothing of what finds persons for it.
    for digest in [try archive.digest(), try finder.digest()] {
      let options = try ModelTrustOptions.parse(["--model-sha256", digest])
      let refused = #expect(throws: RunFailure.self) { try options.checked(archive) }
      #expect(refused?.detail == .otherModel(sha256: together))
      #expect(refused?.message.contains("with those that it needs") == true)
    }
    let alone = try ModelTrustOptions.parse(["--model-sha256", finder.digest()]).checked(finder)
    #expect(alone.all.count == 1)
  }
}
