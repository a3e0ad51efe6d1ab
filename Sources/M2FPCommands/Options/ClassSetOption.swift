import ArgumentParser
import FoundationEssentials
import M2FPCore

/// The `--classes` option's meaning.
enum ClassSetOption {
  static let help: String =
    "Class names: \(NamedClassSets.list), or a file with one name a line, the background first, or one "
    + "for --remap."

  /// The names that the option means.
  ///
  /// - Throws: `ValidationError` for a file that cannot be read or holds no class names.
  static func names(_ option: String) throws -> [String] {
    if let set = NamedClassSets.set(option) { return set.names }
    let bytes = try OptionFile.read(option, option: "--classes") { NamedClassSets.hint(option) }
    let names =
      (try? ClassSet(json: Data(bytes)))?.names
      ?? String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.trimmed }.filter { !$0.isEmpty }
    guard (2...255).contains(names.count) else {
      throw ValidationError("--classes \(option): \(names.count) names, but 2 to 255 can be had.")
    }
    return names
  }
}
