import ArgumentParser
import FoundationEssentials
import M2FPCore

/// Sets of classes that have a name: their classes in published order, their colours, and how the
/// classes of the others become theirs. Their files lie in `Remaps/`.
enum NamedClassSets {
  static let files: [String: [UInt8]] = [
    "atr": PackageResources.atr_json, "celebamask": PackageResources.celebamask_json,
    "cihp": PackageResources.cihp_json, "lip": PackageResources.lip_json,
    "pascal": PackageResources.pascal_json, "sapiens": PackageResources.sapiens_json,
    "simple": PackageResources.simple_json,
  ]

  static let names = files.keys.sorted()
  static let list = names.joined(separator: ", ")

  /// The set of that name; nil if there is none.
  static func set(_ name: String) -> ClassSet? {
    files[name].flatMap { try? ClassSet(json: Data($0)) }
  }

  /// The JSON of what an option names: a set, or a file in JSON or TOML.
  ///
  /// - Throws: `ValidationError` for a file that cannot be read.
  static func json(_ value: String, option: String) throws -> Data {
    if let file = files[value] { return Data(file) }
    let bytes = try OptionFile.read(value, option: option) { hint(value) }
    guard value.hasSuffix(".toml") else { return Data(bytes) }
    do {
      return try JSONEncoder().encode(TOML.table(Data(bytes)))
    } catch let error as TOML.SyntaxError {
      throw ValidationError("\(option) \(value), line \(error.line): \(error.message).")
    } catch {
      throw ValidationError("\(option) \(value): it holds what is no text, number or list.")
    }
  }

  /// What to say of a value that is neither a name nor a file's.
  static func hint(_ value: String, besides others: [String] = []) -> String {
    let known = (names + others).sorted()
    return "none of \(known.joined(separator: ", ")), and there is no file of that name"
      + (SpellingSuggestion.nearest(to: value, in: known).map { "; did you mean '\($0)'?" } ?? ".")
  }
}
