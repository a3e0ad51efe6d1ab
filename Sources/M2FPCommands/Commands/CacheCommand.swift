import ArgumentParser
import FoundationEssentials
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Looks after the cache of results.
struct CacheCommand: ExplainedCommand {
  static let examples = [
    Example("m2fp cache info --cache ~/.cache/m2fp", "how much is in it"),
    Example("m2fp cache prune --cache-limit 2G", "drop what was longest unused"),
  ]

  static let explanation = ""

  static let configuration = CommandConfiguration(
    commandName: "cache",
    abstract: "Show or tidy the cache of results that parse keeps with --cache.",
    discussion: discussion,
    subcommands: [Info.self, Prune.self])

  /// The folder; it must be there already.
  struct Folder: ParsableArguments {
    @Option(help: ArgumentHelp("The cache's folder. Default: $M2FP_CACHE.", valueName: "dir"))
    var cache: FilePath?

    /// Where the cache is.
    func path() throws -> FilePath {
      if let cache { return cache }
      switch CacheOptions.inEnvironment {
      case .folder(let folder): return folder
      case .redis:
        throw ValidationError("A Redis server looks after its own: redis-cli shows what it holds.")
      case nil: throw ValidationError("Name the cache: --cache DIR, or set M2FP_CACHE.")
      }
    }

    func open() throws -> ResultCache {
      let folder = try path()
      guard case .folder = FileKind(folder.appending("v1")) else {
        throw ValidationError("There is no cache in '\(folder)'; parse --cache makes one.")
      }
      return try ResultCache(folder, limit: .max)
    }
  }

  struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how many results the cache holds, and the space they take.")

    @OptionGroup var folder: Folder

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
      try Console.exiting {
        let path = try folder.path()
        let statistics = try folder.open().statistics()
        if json {
          let encoder = JSONEncoder()
          encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
          let row = Row(
            folder: path.string, entries: statistics.entries, bytes: statistics.bytes)
          Console.writeLine(
            machineReadable: String(decoding: try encoder.encode(row), as: UTF8.self))
          return
        }
        Console.writeLine("\(path): \(statistics.text)")
      }
    }

    private struct Row: Encodable {
      let folder: String
      let entries: Int
      let bytes: Int
    }
  }

  struct Prune: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Drop the results that were longest unused, down to a size.")

    @OptionGroup var folder: Folder

    @Option(
      help: ArgumentHelp("The size to come down to: 500M, 10G; 0 drops all.", valueName: "size"))
    var cacheLimit = ByteCount.defaultCacheLimit

    @Flag(help: "Read every result, and drop those that are damaged, too.")
    var verify = false

    func run() throws {
      try Console.exiting {
        let cache = try folder.open()
        if verify { Console.writeLine("damaged and dropped: \(cache.verify().text)") }
        Console.writeLine("dropped: \(cache.prune(to: cacheLimit.bytes).text)")
        Console.writeLine("left: \(cache.statistics().text)")
      }
    }
  }
}

extension ResultCache.Statistics {
  /// "3 results, 1.2 MiB".
  fileprivate var text: String {
    "\(entries) \(entries == 1 ? "result" : "results"), \(ByteCount(bytes))"
  }
}
