/// Names of classes: as file names, and as people type them.
public enum ClassNames {
  /// A class's name as a file name: lower case, words joined by hyphens (`UpperClothes` becomes
  /// `upper-clothes`).
  public static func slug(_ name: String) -> String {
    var slug = ""
    var previous: Character = " "
    for character in name {
      if character.isLetter || character.isNumber {
        let startsWord = character.isUppercase && previous.isLowercase
        if startsWord, !slug.isEmpty, slug.last != "-" { slug += "-" }
        slug += character.lowercased()
      } else if !slug.isEmpty, slug.last != "-" {
        slug += "-"
      }
      previous = character
    }
    if slug.last == "-" { slug.removeLast() }
    return slug
  }

  /// The index of the class that someone means by a name, a slug, or the index itself; upper and
  /// lower case, hyphens, blanks and underscores make no difference.
  ///
  /// - Parameters:
  ///   - text: What was typed.
  ///   - classes: The classes' names, in order.
  /// - Returns: Nil if no class is meant.
  public static func index(of text: String, in classes: [String]) -> Int? {
    if let index = Int(text) { return classes.indices.contains(index) ? index : nil }
    let wanted = letters(text)
    return wanted.isEmpty ? nil : classes.firstIndex { letters($0) == wanted }
  }

  /// Whether two lists name the same classes in the same order, however they are spelt.
  package static func areSame(_ one: [String], _ other: [String]) -> Bool {
    one.map(letters) == other.map(letters)
  }

  /// What counts of a name: its letters and digits, in lower case.
  static func letters(_ name: String) -> String {
    name.lowercased().filter { $0.isLetter || $0.isNumber }
  }
}
