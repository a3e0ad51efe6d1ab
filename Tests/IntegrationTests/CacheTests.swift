import Foundation
import Testing

/// The cache of results, by the binary itself.
struct CacheTests: EndToEnd {
  let place: WorkingFolder

  init() throws {
    place = try WorkingFolder()
  }

  @Test func aCopyComesOutOfTheCacheAndTheCacheIsTidied() throws {
    try addPhoto("in/a.png")
    let cache = ["M2FP_CACHE": folder + "/cache"]
    #expect(try parse("in", environment: cache).code == 0)
    try FileManager.default.copyItem(atPath: folder + "/in/a.png", toPath: folder + "/in/b.png")
    let second = try parse("in", "--json", environment: cache)
    #expect(second.code == 0 && second.total("cached") == 1 && second.total("current") == 1)
    let info = try run("cache", "info", "--json", environment: cache)
    #expect(info.lines.first?["entries"] as? Int == 1)
    let pruned = try run("cache", "prune", "--verify", "--cache-limit", "0", environment: cache)
    #expect(pruned.code == 0 && pruned.output.contains("dropped: 1 result,"), "\(pruned.output)")
    #expect(exists("cache/CACHEDIR.TAG"))
    #expect(try run("cache", "info", "--cache", "none").code == 64)
    let without = try parse("in", "--force", "--no-cache", "--json", environment: cache)
    #expect(without.total("parsed") == 2)
    #expect(try run("cache", "info", environment: cache).output.contains("0 results"))
  }
}
