import ArgumentParser
import FoundationEssentials
import M2FPCore

/// The `--classes` option's meaning.
enum ClassSetOption {
  static let help: String =
    "Class names: cihp, lip, atr, pascal, simple, or a file with one name a line, the background first, or "
    + "one for --remap."

  /// The names that need no file.
  static let builtIn = Set(ClassSet.builtIn.keys).union(LabelSetOptions.builtIn.keys).sorted()

  /// The names that the option means.
  ///
  /// - Throws: `ValidationError` for a file that cannot be read or holds no class names.
  static func names(_ option: String) throws -> [String] {
    if let classSet = ClassSet.builtIn[option] { return classSet.names }
    let bytes =
      try LabelSetOptions.builtIn[option]
      ?? OptionFile.read(option, option: "--classes") {
        let hint = SpellingSuggestion.nearest(to: option, in: builtIn)
        return "none of \(builtIn.joined(separator: ", ")), and there is no file of that name"
          + (hint.map { "; did you mean '\($0)'?" } ?? ".")
      }
    let names =
      (try? JSONDecoder().decode(RemapFile.self, from: Data(bytes)))?.classes
      ?? String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.trimmed }.filter { !$0.isEmpty }
    guard (2...255).contains(names.count) else {
      throw ValidationError("--classes \(option): \(names.count) names, but 2 to 255 can be had.")
    }
    return names
  }

  private struct RemapFile: Decodable {
    let classes: [String]
  }
}
