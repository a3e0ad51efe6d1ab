import ArgumentParser
import M2FPInference
import SystemPackage

/// The options of `parse` that are used most: its help begins with them.
struct UsualOptions: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Write under this folder instead of beside the photos.", valueName: "dir"),
    completion: .directory)
  var out: FilePath?

  @Option(
    help: ArgumentHelp("Masks to write: all, none, or class names.", valueName: "all|none|a,b,..."),
    completion: .classList)
  var masks = "all"

  @Flag(name: .shortAndLong, help: "Parse also photos whose outputs are current.")
  var force = false

  @Flag(
    name: [.customShort("n"), .long], help: "Say what would be done and why, and write nothing.")
  var dryRun = false

  @Option(
    name: [.customShort("j", allowingJoined: true), .long],
    help: "Worker threads. Default: one for each CPU that the process may use.")
  var jobs: Int?

  @Option(
    help: ArgumentHelp("A model's name ('m2fp models') or archive.", valueName: "name|file"),
    completion: .models)
  var model = ModelLocator.defaultModel

  func validate() throws {
    if let jobs, !(1...1024).contains(jobs) { throw ValidationError("--jobs is 1 to 1024.") }
  }
}
