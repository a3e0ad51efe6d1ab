import M2FPCommands
import SystemPackage

@main
struct Main {
  /// `m2fp-serve …` is `m2fp serve …`. Under the name of m2fp, which packages give it, it is all of m2fp.
  static func main() {
    var words = M2FPCommand.processArguments
    let name = CommandLine.arguments.first.flatMap { FilePath($0).lastComponent }
    if name != "m2fp", words.first != "serve", words != ["--version"] {
      words.insert("serve", at: 0)
    }
    M2FPCommand.run(words) { settings in
      try Serving(settings).run()
    }
  }
}
