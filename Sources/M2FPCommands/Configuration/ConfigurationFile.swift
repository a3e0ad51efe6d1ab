import ArgumentParser
import Foundation
import M2FPCore
import TOMLKit

/// Defaults of options: `m2fp.toml` in the current folder, or the file that `--config` names.
///
/// A key is an option's long name. At the top it holds for every command that has the option; in a
/// table, `[parse]`, for that command.
struct ConfigurationFile {
  static let standardName = "m2fp.toml"

  let path: String
  /// For each command the values of its options, by name.
  private let values: [String: [String: Value]]

  /// The value of one option.
  enum Value: Equatable {
    case flag(Bool)
    /// One text, or several for an option that may be repeated.
    case texts([String])
  }

  /// Other places than files hold defaults, too.
  init(path: String, values: [String: [String: Value]]) {
    self.path = path
    self.values = values
  }

  /// Reads a file.
  ///
  /// - Throws: `ValidationError` if it cannot be read, or sets what is no option.
  init(path: String, options: OptionCatalog) throws {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw ValidationError("\(path): no text file of that name can be read.")
    }
    try self.init(text, path: path, options: options)
  }

  init(_ text: String, path: String, options: OptionCatalog) throws {
    self.path = path
    let table: TOMLTable
    do {
      table = try TOMLTable(string: text)
    } catch let error as TOMLParseError {
      throw ValidationError(
        "\(path), line \(error.source.begin.line): \(error.description)")
    }
    var values: [String: [String: Value]] = [:]
    // The keys at the top first: those of a command's own table are stronger.
    for (key, value) in table where value.table == nil {
      let name = Self.optionName(key)
      let owners = options.withDefaults.filter { $0.option(name) != nil }
      if owners.isEmpty {
        throw ValidationError(
          "\(path): no command has an option '\(name)'"
            + Self.hint(name, options.withDefaults.flatMap { $0.options.map(\.name) }))
      }
      for owner in owners {
        guard let option = owner.option(name) else { continue }
        values[owner.name, default: [:]][name] = try Self.value(value, of: option, key, path)
      }
    }
    for (name, value) in table {
      guard let table = value.table else { continue }
      guard let command = options.command(name), command.takesDefaults else {
        throw ValidationError(
          "\(path): [\(name)] is no command that takes defaults"
            + Self.hint(name, options.withDefaults.map(\.name)))
      }
      for (key, value) in table {
        let option = Self.optionName(key)
        guard let declared = command.option(option) else {
          throw ValidationError(
            "\(path): 'm2fp \(name)' has no option '\(option)'"
              + Self.hint(option, command.options.map(\.name)))
        }
        values[name, default: [:]][option] = try Self.value(value, of: declared, key, path)
      }
    }
    self.values = values
  }

  /// The path of the file that a command line means, if any.
  ///
  /// - Parameter arguments: Those behind the command's name.
  /// - Returns: The one that is named, or the usual one if it is there.
  static func path(for arguments: [String]) -> String? {
    var named: String?
    var rest = arguments.prefix { $0 != "--" }[...]
    while let argument = rest.popFirst() {
      if argument == "--no-config" { return nil }
      if argument == "--config" { named = rest.popFirst() }
      if argument.hasPrefix("--config=") { named = String(argument.dropFirst(9)) }
    }
    return named ?? (FileManager.default.fileExists(atPath: standardName) ? standardName : nil)
  }

  /// What the file says of an option.
  func value(of option: String, in command: String) -> Value? { values[command]?[option] }

  /// A command's arguments with the file's values in front, without those of options that the
  /// command line names itself, or that do not go with it (``OptionConflicts``).
  func arguments(for command: OptionCatalog.Command, with arguments: [String]) -> [String] {
    let typed = arguments.prefix { $0 != "--" }
    let named = command.options.filter { option in typed.contains { option.isNamed(by: $0) } }
      .map(\.name)
    var defaults: [String: [String]] = [:]
    for option in command.options where !named.contains(option.name) {
      switch value(of: option.name, in: command.name) {
      case .flag(true)?: defaults[option.name] = ["--" + option.name]
      case .flag(false)? where option.isInvertible:
        defaults[option.name] = ["--no-" + option.name]
      case .texts(let texts)?: defaults[option.name] = texts.map { "--\(option.name)=\($0)" }
      case .flag(false)?, nil: break
      }
    }
    let counting = OptionConflicts.counting(
      defaults, beside: Array(typed), naming: Set(named.filter { !typed.contains("--no-" + $0) }))
    return command.options.flatMap { counting[$0.name] ?? [] } + arguments
  }

  private static func value(
    _ value: any TOMLValueConvertible, of option: OptionCatalog.Option, _ key: String,
    _ path: String
  ) throws -> Value {
    if option.isFlag {
      guard let isSet = value.bool else {
        throw ValidationError("\(path): \(key) is a switch: true or false.")
      }
      return .flag(isSet)
    }
    if let array = value.array {
      let texts = try array.map { try text($0, key, path) }
      // An option that takes a list takes it as one text.
      return .texts(option.isRepeating ? texts : [texts.joined(separator: ",")])
    }
    return .texts([try text(value, key, path)])
  }

  private static func text(
    _ value: any TOMLValueConvertible, _ key: String, _ path: String
  ) throws -> String {
    if let text = value.string { return text }
    if let number = value.int { return String(number) }
    if let number = value.double { return String(number) }
    throw ValidationError(
      "\(path): \(key) takes a text, a number or a list of them, not \(value.debugDescription).")
  }

  /// Underscores do as well.
  private static func optionName(_ key: String) -> String { key.replacing("_", with: "-") }

  private static func hint(_ name: String, _ candidates: [String]) -> String {
    if let nearest = SpellingSuggestion.nearest(to: name, in: candidates) {
      return "; did you mean '\(nearest)'?"
    }
    return "; 'm2fp config show' lists what there is."
  }
}

extension OptionCatalog.Option {
  /// Whether a word of the command line is this option.
  fileprivate func isNamed(by word: String) -> Bool {
    if word.hasPrefix("--") {
      return spellings.contains(String(word.prefix { $0 != "=" }))
    }
    // Short ones may be joined: -qv.
    guard word.hasPrefix("-"), word.dropFirst().allSatisfy({ $0.isLetter || $0.isNumber }) else {
      return false
    }
    return word.dropFirst().contains { spellings.contains("-\($0)") }
  }
}
