import ArgumentParser
import Glibc
import M2FPCore
import M2FPFiles
import M2FPInference
import SystemPackage

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

  /// Which file a command line means.
  enum Place: Equatable {
    /// By `--config`.
    case named(String)
    /// It lies in the current folder.
    case found
    /// It is the user's own, for every folder.
    case own(String)

    var path: String {
      switch self {
      case .named(let path), .own(let path): path
      case .found: standardName
      }
    }
  }

  /// Other places than files hold defaults, too.
  init(path: String, values: [String: [String: Value]]) {
    self.path = path
    self.values = values
  }

  /// Why a file that was found is not read.
  struct Distrust: Error, Equatable {
    let path: String
    let reason: String

    var text: String {
      "\(path) is not read, since \(reason): to read it all the same, say --config \(path)"
    }
  }

  /// What only a command line sets, or a file that it names: where to write, what to overwrite, and what
  /// to trust. A file that is found may have come with the photos.
  static let notFromFoundFile: Set<String> = [
    "allow-origin", "cache", "export", "failed-to", "files-from", "host", "links", "listen",
    "metrics", "metrics-listen", "open", "out", "overwrite-edited", "plot", "sheet", "token-file",
    "trust-model", "trust-proxy",
  ]

  /// Reads a file.
  ///
  /// - Throws: `ValidationError` if it cannot be read, or sets what is no option; ``Distrust`` for one
  ///   that was found and that another user can have written.
  init(_ place: Place, options: OptionCatalog) throws {
    let text =
      switch place {
      case .named(let path): try Self.named(path)
      case .found: try Self.found()
      case .own(let path): try Self.own(path)
      }
    try self.init(text, place: place, options: options)
  }

  private static func named(_ path: String) throws -> [UInt8] {
    do throws(Errno) {
      return try OptionFile.read(path)
    } catch {
      throw ValidationError("\(path): cannot be read: \(error.reason).")
    }
  }

  /// Reads the file in the current folder, of which nothing is taken that somebody else can have put
  /// there.
  private static func found() throws -> [UInt8] {
    let name = FilePath.Component(standardName)
    do {
      let folder = try OpenFolder(".")
      if let objection = folder.objection {
        throw Distrust(path: standardName, reason: "of its folder, \(objection)")
      }
      guard let name else { throw Errno.invalidArgument }
      let file = try folder.open(name, .readOnly)
      return try file.closeAfter {
        if let objection = Trust.objection(to: file) {
          throw Distrust(path: standardName, reason: objection)
        }
        return try FileReader.bytes(of: file, limit: OptionFile.sizeLimit)
      }
    } catch Errno.tooManySymbolicLinkLevels {
      throw Distrust(path: standardName, reason: "it is a symbolic link")
    } catch let error as Errno {
      throw Distrust(path: standardName, reason: error.reason)
    } catch let error as FileFailure {
      throw Distrust(path: standardName, reason: error.message)
    }
  }

  /// Reads the user's own file, where it is that: by sudo, root may have another user's home.
  private static func own(_ path: String) throws -> [UInt8] {
    do {
      let file = Descriptor(
        try LinkRule.all.open(FilePath(path), O_RDONLY | O_NONBLOCK | O_NOCTTY))
      if let objection = Trust.objection(to: file.file) {
        throw Distrust(path: path, reason: objection)
      }
      return try FileReader.bytes(of: file.file, limit: OptionFile.sizeLimit)
    } catch let error as Errno {
      throw Distrust(path: path, reason: error.reason)
    } catch let error as FileFailure {
      throw Distrust(path: path, reason: error.message)
    }
  }

  init(_ text: [UInt8], place: Place, options: OptionCatalog) throws {
    path = place.path
    let table: TOML.Table
    do throws(TOML.SyntaxError) {
      table = try TOML.table(text)
    } catch {
      throw ValidationError("\(path), line \(error.line): \(error.message).")
    }
    var values: [String: [String: Value]] = [:]
    // The keys at the top first: those of a command's own table are stronger.
    for entry in table.entries {
      if case .table = entry.value { continue }
      let (name, line) = (Self.optionName(entry.key), "\(path), line \(entry.line)")
      let owners = options.withDefaults.filter { $0.option(name) != nil }
      if owners.isEmpty {
        throw ValidationError(
          "\(line): no command has an option '\(name)'"
            + Self.hint(name, options.withDefaults.flatMap { $0.options.map(\.name) }))
      }
      for owner in owners {
        guard let option = owner.option(name) else { continue }
        values[owner.name, default: [:]][name] = try Self.value(entry, of: option, place, line)
      }
    }
    for entry in table.entries {
      guard case .table(let table) = entry.value else { continue }
      guard let command = options.command(entry.key), command.takesDefaults else {
        throw ValidationError(
          "\(path), line \(entry.line): [\(entry.key)] is no command that takes defaults"
            + Self.hint(entry.key, options.withDefaults.map(\.name)))
      }
      for entry in table.entries {
        let (name, line) = (Self.optionName(entry.key), "\(path), line \(entry.line)")
        guard let option = command.option(name) else {
          throw ValidationError(
            "\(line): 'm2fp \(command.name)' has no option '\(name)'"
              + Self.hint(name, command.options.map(\.name)))
        }
        values[command.name, default: [:]][name] = try Self.value(entry, of: option, place, line)
      }
    }
    self.values = values
  }

  /// The file that a command line means, if any.
  ///
  /// - Parameter arguments: Those behind the command's name.
  /// - Returns: The one that is named, or the usual one if it is there.
  static func place(for arguments: [String]) -> Place? {
    var named: String?
    var rest = arguments.prefix { $0 != "--" }[...]
    while let argument = rest.popFirst() {
      if argument == "--no-config" { return nil }
      if argument == "--config" { named = rest.popFirst() }
      if argument.hasPrefix("--config=") { named = String(argument.dropFirst(9)) }
    }
    if let named { return .named(named) }
    var status = stat()
    return lstat(standardName, &status) == 0 ? .found : nil
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
      defaults, beside: Array(typed), naming: Set(named.filter { !typed.contains("--no-" + $0) }),
      isFilter: command.readsStandardInput(typed))
    return command.options.flatMap { counting[$0.name] ?? [] } + arguments
  }

  private static func value(
    _ entry: TOML.Table.Entry, of option: OptionCatalog.Option, _ place: Place, _ line: String
  ) throws -> Value {
    let value = try value(entry, of: option, line)
    if place == .found {
      var refused = notFromFoundFile.contains(option.name)
      var isPath = false
      if case .texts(let texts) = value {
        // Neither what runs, nor what is shown.
        isPath =
          option.name == "model" && texts.contains { ModelReference($0).isFile }
          || option.name == "background" && texts.contains { RGB(hex: $0) == nil }
        refused = refused || isPath
      }
      if refused {
        throw ValidationError(
          "\(line): a file that is merely found may not set \(entry.key)"
            + "\(isPath ? " to a path" : ""): type --\(option.name), or name the file "
            + "with --config \(place.path).")
      }
    }
    return value
  }

  private static func value(
    _ entry: TOML.Table.Entry, of option: OptionCatalog.Option, _ line: String
  ) throws -> Value {
    if option.isFlag {
      guard case .truth(let isSet) = entry.value else {
        throw ValidationError("\(line): \(entry.key) is a switch: true or false.")
      }
      return .flag(isSet)
    }
    if case .array(let array) = entry.value {
      let texts = try array.map { try text($0, entry.key, line) }
      // An option that takes a list takes it as one text.
      return .texts(option.isRepeating ? texts : [texts.joined(separator: ",")])
    }
    return .texts([try text(entry.value, entry.key, line)])
  }

  private static func text(_ value: TOML.Value, _ key: String, _ line: String) throws -> String {
    switch value {
    case .text(let text): return text
    case .integer(let number): return String(number)
    case .number(let number): return String(number)
    case .truth, .array, .table, .tables:
      throw ValidationError("\(line): \(key) takes a text, a number or a list of them.")
    }
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
  func isNamed(by word: String) -> Bool {
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
