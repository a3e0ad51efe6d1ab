import Foundation
import TestSupport
import Testing

/// The cache of results, by the binary itself.
struct CacheTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func aCopyComesOutOfTheCacheAndTheCacheIsTidied() async throws {
    try addPhoto("in/a.png")
    let cache = ["M2FP_CACHE": folder.path("cache")]
    #expect(try await parse("in", environment: cache).code == 0)
    try FileManager.default.copyItem(
      atPath: folder.path("in/a.png"), toPath: folder.path("in/b.png"))
    let second = try await parse("in", "--json", environment: cache)
    #expect(second.code == 0 && second.summary?.cached == 1 && second.summary?.current == 1)
    let info = try await run("cache", "info", "--json", environment: cache)
    #expect(try info.object["entries"] as? Int == 1)
    let pruned = try await run(
      "cache", "prune", "--verify", "--cache-limit", "0", environment: cache)
    #expect(pruned.code == 0 && pruned.output.contains("dropped: 1 result,"), "\(pruned.output)")
    #expect(folder.exists("cache/CACHEDIR.TAG"))
    #expect(try await run("cache", "info", "--cache", "none").code == 64)
    let without = try await parse("in", "--force", "--no-cache", "--json", environment: cache)
    #expect(without.summary?.parsed == 2)
    #expect(try await run("cache", "info", environment: cache).output.contains("0 results"))
  }
}
