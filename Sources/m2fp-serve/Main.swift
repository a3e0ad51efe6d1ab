import M2FPCommands

@main
struct Main {
  /// `m2fp-serve …` is `m2fp serve …`, which starts it.
  static func main() {
    var words = M2FPCommand.processArguments
    if words.first != "serve", words != ["--version"] { words.insert("serve", at: 0) }
    M2FPCommand.run(words) { settings in
      try Serving(settings).run()
    }
  }
}
