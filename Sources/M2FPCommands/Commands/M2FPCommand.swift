import ArgumentParser

/// The root command; it only dispatches.
public struct M2FPCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "m2fp",
    abstract: "Find every person in photos and label each pixel by body part and garment.",
    discussion: """
      Topics: 'm2fp help outputs', 'm2fp help exit-codes', 'm2fp help models'. Defaults of options \
      can stand in a file, m2fp.toml ('m2fp help config').
      """,
    version: "m2fp \(Version.current)",
    subcommands: [
      ParseCommand.self, RenderCommand.self, EvalCommand.self, CompareCommand.self, ModelsCommand.self,
      ClassesCommand.self, CacheCommand.self, ConfigCommand.self, DoctorCommand.self,
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

enum Version {
  static let current = "0.1.0"
}
