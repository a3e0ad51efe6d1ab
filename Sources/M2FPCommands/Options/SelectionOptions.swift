import ArgumentParser
import FoundationEssentials
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Which photos to parse.
struct SelectionOptions: ParsableArguments {
  @Argument(
    help: "Photos, and folders to search for them; - for a photo on standard input.",
    completion: .file())
  var paths: [FilePath] = []

  @Flag(inversion: .prefixedNo, help: "Search folders within folders.")
  var recursive = true

  @Flag(
    help: """
      Take the files in folders that are named like photos, without a look into the others: faster \
      where there are many.
      """)
  var byName = false

  @Option(
    help: ArgumentHelp(
      """
      Read more paths from this file, - for standard input, one a line. Below --out, and for \
      --shard, the part after /./ counts: find photos/. writes paths like that, --failed-to, too.
      """, valueName: "file|-"))
  var filesFrom: FilePath?

  @Flag(
    name: [.customShort("0"), .customLong("null")],
    help: "In --files-from and --failed-to a zero byte ends a path, not a line feed (find -print0)."
  )
  var zeroTerminated = false

  @Option(
    help: ArgumentHelp(
      """
      Take only files that match, by name or by a folder's name; a pattern with a slash is compared \
      with the relative path. May be repeated. Default: all.
      """, valueName: "glob"))
  var include: [String] = []

  @Option(
    help: ArgumentHelp(
      "Leave out files and folders that match. May be repeated. Default: none.", valueName: "glob"))
  var exclude: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Symbolic links in folders and in --files-from: follow those that belong to you or to root, all, \
      or none. A path that is typed is always followed.
      """, valueName: "own|follow|none"))
  var links = LinkPolicy.own

  @Option(
    help: ArgumentHelp(
      """
      Do the I-th of N parts, by a hash of the relative path; slurm: as the job array says. \
      Default: all.
      """, valueName: "I/N|slurm"))
  var shard: String?

  func validate() throws {
    if paths.isEmpty && filesFrom == nil {
      throw ValidationError(
        "Name the photos or folders to parse (m2fp parse photos/), or a list with --files-from.")
    }
    let patterns = (include + exclude).map(PathArgument.bytes)
    if patterns.contains(where: { $0.contains(0) || $0.allSatisfy { $0 == UInt8(ascii: "/") } }) {
      throw ValidationError("--include and --exclude take a pattern such as '*.jpg' or 'raw/*'.")
    }
    if shard != "slurm" { _ = try namedShard() }
  }

  /// Reads the list, if there is one, and the shard.
  ///
  /// - Parameter readingList: Whether the list is read; it is empty otherwise.
  /// - Returns: What is selected.
  /// - Throws: ``RunFailure`` when the list cannot be read or Slurm's variables make no sense.
  func selection(readingList: Bool = true) throws -> Selection {
    var selection = Selection(paths: paths)
    selection.recursive = recursive
    selection.links = links
    selection.byName = byName
    selection.filter = PathFilter(
      include: include.map(PathArgument.bytes), exclude: exclude.map(PathArgument.bytes))
    selection.list = try filesFrom.map {
      readingList
        ? try PathList(contentsOf: $0 == "-" ? nil : $0, zeroTerminated: zeroTerminated)
        : PathList()
    }
    selection.shard =
      shard == "slurm" ? try .slurm(ProcessInfo.processInfo.environment) : try namedShard()
    return selection
  }

  private func namedShard() throws -> Shard? {
    guard let shard else { return nil }
    let numbers = shard.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let index = numbers[0], let count = numbers[1],
      let shard = Shard(index, of: count)
    else {
      throw ValidationError(
        "--shard is I/N with I from 1 to N, such as 1/8, or slurm; not '\(shard)'.")
    }
    return shard
  }
}

extension LinkPolicy: ExpressibleByArgument {}
