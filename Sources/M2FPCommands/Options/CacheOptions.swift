import ArgumentParser
import Foundation
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Where results are kept for further copies of a photo.
struct CacheOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Keep results in this folder, by the photo's bytes, model and options: a further copy of a \
      photo is not parsed. Default: $M2FP_CACHE, or no cache.
      """, valueName: "dir"))
  var cache: FilePath?

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

  /// What `$M2FP_CACHE` says.
  static var inEnvironment: FilePath? {
    getenv("M2FP_CACHE").map { FilePath(platformString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// Opens the cache, if there is one.
  func open() throws -> ResultCache? {
    guard !noCache, let folder = cache ?? Self.inEnvironment else { return nil }
    return try ResultCache(folder, limit: cacheLimit.bytes)
  }
}

extension ByteCount {
  static let defaultCacheLimit = ByteCount(10 << 30)
}
