import ArgumentParser

/// Command that takes defaults of its options from a file.
protocol ConfigurableCommand: ParsableCommand {
  var configuration: ConfigurationOptions { get }
}

/// What holds for a command as a whole: where the defaults of the other options come from, which is read
/// before the arguments are parsed (``ConfigurationFile``), and how it looks.
struct ConfigurationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Defaults of options. Default: m2fp.toml in the current folder, if there is one.",
      valueName: "file.toml"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Flag(help: "Take no defaults from m2fp.toml.")
  var noConfig = false

  @Option(
    help: ArgumentHelp(
      "Colours on a terminal unless NO_COLOR is set, also elsewhere, or never.",
      valueName: "auto|always|never"))
  var color = Console.Colour.auto
}
