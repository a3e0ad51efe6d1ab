import ArgumentParser
import Foundation
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults

/// Where results are kept for further copies of a photo.
struct CacheOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Keep results in this folder, by the photo's bytes, model and options: a further copy of a \
      photo is not parsed. Default: $M2FP_CACHE, or no cache.
      """, valueName: "dir"))
  var cache: String?

  @Option(
    help: ArgumentHelp(
      "How large the cache may grow: 500M, 10G; what was longest unused goes first.",
      valueName: "size"))
  var cacheLimit = ByteCount.defaultCacheLimit

  @Flag(help: "Use no cache, whatever $M2FP_CACHE says.")
  var noCache = false

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    Set([(cache != nil, "cache"), (noCache, "no-cache")].filter(\.0).map(\.1))
  }

  func validate() throws {
    if cacheLimit.bytes == 0 {
      throw ValidationError("--cache-limit is more than 0; to use no cache, say --no-cache.")
    }
  }

  /// Opens the cache, if there is one.
  func open() throws -> ResultCache? {
    let environment = ProcessInfo.processInfo.environment["M2FP_CACHE"]
    guard !noCache, let folder = cache ?? environment, !folder.isEmpty else { return nil }
    return try ResultCache(folder, limit: cacheLimit.bytes)
  }
}

extension ByteCount {
  static let defaultCacheLimit = ByteCount(10 << 30)
}
