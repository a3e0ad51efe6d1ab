import ArgumentParser

/// Command that takes defaults of its options from a file.
protocol ConfigurableCommand: ParsableCommand {
  var configuration: ConfigurationOptions { get }
}

/// Where the defaults of the other options come from; read before the arguments are parsed
/// (``ConfigurationFile``).
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
