import ArgumentParser

/// The root command; it only dispatches.
public struct M2FPCommand: ParsableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp parse photos/", "parse all photos of a folder"),
    Example("m2fp parse --help", "what else it can write, and how"),
    Example("m2fp doctor", "is all there, and does it work?"),
  ]

  static let explanation = """
    Topics: 'm2fp help outputs', 'models', 'files', 'environment', 'exit-codes'. Defaults of options \
    can stand in a file, m2fp.toml ('m2fp help config'), or in the environment.
    """

  public static let configuration = CommandConfiguration(
    commandName: "m2fp",
    abstract: "Human parsing: find people in photos, label each pixel by part and garment.",
    usage: "m2fp <command> [<options>] ...",
    discussion: discussion,
    version: "m2fp \(Version.described)",
    subcommands: [
      ParseCommand.self, WatchCommand.self, RenderCommand.self, EvalCommand.self,
      CompareCommand.self,
      ServeCommand.self, HealthCommand.self, ModelsCommand.self, ClassesCommand.self,
      CacheCommand.self, ConfigCommand.self, DoctorCommand.self,
    ])

  public init() {}

  /// The command of this name.
  static func command(_ name: String) -> (any ParsableCommand.Type)? {
    configuration.subcommands.first { $0._commandName == name }
  }

  /// The names of all commands.
  static var commandNames: [String] { configuration.subcommands.map { $0._commandName } }

  /// The names of those that take defaults from a file.
  static var configurableNames: [String] {
    configuration.subcommands.filter { $0 is any ConfigurableCommand.Type }.map { $0._commandName }
  }
}
