import ArgumentParser
import Glibc
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
      Keep results in this folder, or on the Redis server redis://[[user:]password@]host[:port][/db], \
      by the photo's bytes, model and options: a further copy of a photo is not parsed. Default: \
      $M2FP_CACHE, or no cache.
      """, valueName: "dir|url"))
  var cache: CachePlace?

  @Option(
    help: ArgumentHelp(
      "How large the cache may grow: 500M, 10G; what was longest unused goes first.",
      valueName: "size"))
  var cacheLimit = ByteCount.defaultCacheLimit

  @Option(
    help: ArgumentHelp(
      "On a Redis server, how long a result is kept that nobody uses: 12h, 7d. Default: as long as "
        + "the server likes.", valueName: "time"))
  var cacheTtl: TimeSpan?

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
  static var inEnvironment: CachePlace? {
    getenv("M2FP_CACHE").flatMap {
      CachePlace(bytes: Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))))
    }
  }

  /// Opens the cache, if there is one.
  func open() throws -> ResultCache? {
    guard !noCache, let place = cache ?? Self.inEnvironment else { return nil }
    switch place {
    case .folder(let folder): return try ResultCache(folder, limit: cacheLimit.bytes)
    case .redis(let url):
      guard let server = RedisAddress(url) else {
        throw ValidationError(
          url.utf8.starts(with: "rediss:".utf8)
            ? "--cache rediss://… is not offered: Debian 12's hiredis knows no TLS. Use redis:// through "
              + "a tunnel, such as stunnel or ssh -L."
            : "--cache redis://… is redis://[[user:]password@]host[:port][/database].")
      }
      return ResultCache(server, timeToLive: cacheTtl?.duration)
    }
  }
}

/// Where a cache is.
enum CachePlace: ExpressibleByArgument {
  case folder(FilePath)
  /// A URL of Redis's, which may be none that can be used.
  case redis(String)

  init?(argument: String) { self.init(bytes: PathArgument.bytes(of: argument)) }

  /// - Returns: Nil for no path.
  init?(bytes: [UInt8]) {
    if ["redis:", "rediss:"].contains(where: {
      bytes.starts(with: Array($0.utf8) + Array("//".utf8))
    }) {
      self = .redis(String(decoding: bytes, as: UTF8.self))
    } else if let path = FilePath(argument: PathArgument.text(of: bytes)) {
      self = .folder(path)
    } else {
      return nil
    }
  }
}

extension ByteCount {
  static let defaultCacheLimit = ByteCount(10 << 30)
}
