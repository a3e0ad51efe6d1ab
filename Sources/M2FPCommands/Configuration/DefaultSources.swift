import ArgumentParser
import FoundationEssentials
import M2FPCore

/// Where defaults of options come from, the strongest first: `M2FP_JOBS` and the like in the environment,
/// m2fp.toml in the current folder or the file that `--config` names, the user's own file.
struct DefaultSources {
  private(set) var list: [ConfigurationFile] = []
  /// The file that is found or named, if there is one and it is read.
  private(set) var place: ConfigurationFile.Place?
  /// Why the one that is found, or else the user's, is not read.
  private(set) var distrust: ConfigurationFile.Distrust?

  /// None.
  init() {}

  /// - Parameters:
  ///   - arguments: Those behind the command's name.
  ///   - options: What can be set.
  ///   - environment: The process's.
  /// - Throws: `ValidationError` for a file that cannot be read, or a value that is none.
  init(
    for arguments: [String], options: OptionCatalog,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws {
    list = [try ConfigurationFile(environment: environment, options: options)]
    if arguments.prefix(while: { $0 != "--" }).contains("--no-config") { return }
    if let place = ConfigurationFile.place(for: arguments) {
      do {
        list.append(try ConfigurationFile(place, options: options))
        self.place = place
      } catch let distrust as ConfigurationFile.Distrust {
        self.distrust = distrust
      }
    }
    if let path = Self.userFile(environment), FileManager.default.fileExists(atPath: path) {
      do {
        list.append(try ConfigurationFile(.own(path), options: options))
      } catch let distrust as ConfigurationFile.Distrust {
        self.distrust = self.distrust ?? distrust
      }
    }
  }

  /// Whether there may be any, or a word that undoes what they set: else nobody needs to know the options,
  /// which takes longer than all else that a start does.
  ///
  /// - Parameters:
  ///   - arguments: Those behind the command's name.
  ///   - environment: The process's.
  /// - Returns: False where none is set.
  static func mayMatter(
    to arguments: [String],
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> Bool {
    environment.keys.contains { $0.hasPrefix("M2FP_") }
      || arguments.contains { $0.hasPrefix("--no-") }
      || ConfigurationFile.place(for: arguments) != nil
      || userFile(environment).map(FileManager.default.fileExists) ?? false
  }

  /// The file for every folder.
  private static func userFile(_ environment: [String: String]) -> String? {
    let folder =
      environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? environment["HOME"].map { $0 + "/.config" }
    return folder.map { $0 + "/m2fp/" + ConfigurationFile.standardName }
  }

  /// A command's arguments with the defaults in front: to each source, what a stronger one sets is as
  /// good as typed.
  func arguments(for command: OptionCatalog.Command, with typed: [String]) -> [String] {
    let words = list.reduce(typed) { words, source in
      source.arguments(for: command, with: words)
    }
    // What undoes a flag has done its work: the parser does not know it.
    let undone = command.options.filter { $0.isFlag && !$0.isInvertible }.map { "--no-" + $0.name }
    let end = words.firstIndex(of: "--") ?? words.endIndex
    return words[..<end].filter { !undone.contains($0) } + words[end...]
  }

  /// What an option is set to, and where; nil if it is set nowhere.
  func value(
    of option: String, in command: String
  ) -> (value: ConfigurationFile.Value, origin: String)? {
    list.lazy.compactMap { source in
      source.value(of: option, in: command).map { ($0, source.origin(of: option)) }
    }.first
  }

  /// The names of those that set anything for one of some commands.
  func names(for commands: [OptionCatalog.Command]) -> [String] {
    var names: [String] = []
    for source in list {
      for command in commands {
        for option in command.options where source.value(of: option.name, in: command.name) != nil {
          let name = source.origin(of: option.name)
          if !names.contains(name) { names.append(name) }
        }
      }
    }
    return names
  }
}

extension ConfigurationFile {
  private static let environmentName = "environment"

  /// Reads the variables that bear options' names: `M2FP_MAX_SIDE` for `--max-side`.
  ///
  /// - Throws: `ValidationError` for a switch that is neither on nor off.
  init(environment: [String: String], options: OptionCatalog) throws {
    var values: [String: [String: Value]] = [:]
    for command in options.withDefaults {
      for option in command.options where !Self.haveVariablesOfTheirOwn.contains(option.name) {
        let name = Self.variable(option.name)
        guard let text = environment[name], !text.isEmpty else { continue }
        guard option.isFlag else {
          values[command.name, default: [:]][option.name] = .texts([text])
          continue
        }
        switch text.lowercased() {
        case "1", "true", "yes", "on":
          values[command.name, default: [:]][option.name] = .flag(true)
        case "0", "false", "no", "off":
          values[command.name, default: [:]][option.name] = .flag(false)
        default:
          throw ValidationError("\(name) is a switch: 1 or 0, not '\(text)'.")
        }
      }
    }
    self.init(path: Self.environmentName, values: values)
  }

  /// `M2FP_CACHE` can be empty, for no cache.
  private static let haveVariablesOfTheirOwn: Set<String> = ["cache", "no-cache"]

  /// Where it sets an option: the file, or the variable.
  func origin(of option: String) -> String {
    path == Self.environmentName ? Self.variable(option) : path
  }

  private static func variable(_ option: String) -> String {
    "M2FP_" + option.uppercased().replacing("-", with: "_")
  }
}
