import ArgumentParser
import M2FPFiles
import SystemPackage

/// Parses photos as they come into folders.
struct WatchCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example(
      "m2fp watch inbox/ --out parsed/", "parse what is put there"),
    Example("m2fp watch inbox/ --json | jq .", "feed a program"),
  ]

  static let explanation = """
    Parses the photos in folders, and then each one that comes: when its writer has closed it, or \
    has moved it there. What is current is skipped, so that it goes on where it was when it is started \
    again. SIGTERM and SIGINT let the files in hand be finished. Options are those of 'm2fp parse'; \
    folders whose names end in .m2fp are results and not looked into.
    """

  static let configuration = CommandConfiguration(
    commandName: "watch",
    abstract: "Parse photos as they come into folders.",
    usage: "m2fp watch [<options>] <folder> ...",
    discussion: discussion)

  @OptionGroup var parse: ParseCommand

  var configuration: ConfigurationOptions { parse.configuration }

  func validate() throws {
    let given = [
      ("dry-run", parse.usual.dryRun), ("export", !parse.exports.exports.isEmpty),
      ("files-from", parse.selection.filesFrom != nil), ("output", parse.filter.output != nil),
      ("sheet", parse.exports.sheet != nil), ("shard", parse.selection.shard != nil),
    ]
    if let option = given.first(where: \.1)?.0 {
      throw ValidationError("--\(option) is for runs that end: it does not go with watch.")
    }
    if parse.isFilter { throw ValidationError("- is no folder: name those to watch.") }
  }

  func run() throws {
    try parse.messages.telling(ofDryRun: false) { try parse.parseStream(isWatch: true, $0, $1) }
  }
}
