import ArgumentParser

/// Where the defaults of the other options come from. Having this group makes a command one that
/// takes them; it is read before the arguments are parsed (``ConfigurationFile``).
struct ConfigurationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Defaults of options. Default: m2fp.toml in the current folder, if there is one.",
      valueName: "file.toml"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Flag(help: "Take no defaults from m2fp.toml.")
  var noConfig = false
}
