import ArgumentParser
import M2FPCore

/// What an option that names classes means: `all`, `none`, or names separated by commas.
enum ClassList {
  /// The indices of the classes that are meant.
  ///
  /// - Parameters:
  ///   - text: What was typed.
  ///   - option: The option, for messages.
  ///   - classes: The classes' names. The background is what is left over: `all` leaves it out, and
  ///     by name it can be had.
  /// - Returns: The indices; none for `none`.
  /// - Throws: `ValidationError` with the nearest name.
  static func indices(_ text: String, option: String, classes: [String]) throws -> Set<Int> {
    switch text {
    case "all": return Set(1..<classes.count)
    case "none": return []
    default:
      return try Set(
        text.split(separator: ",").map { name in
          if let index = ClassNames.index(of: String(name), in: classes) { return index }
          let hint =
            SpellingSuggestion.nearest(to: String(name), in: classes.map(ClassNames.slug))
            .map { "did you mean '\($0)'?" } ?? "'m2fp classes' lists them."
          throw ValidationError("\(option): no class is named '\(name)'; \(hint)")
        })
    }
  }
}
