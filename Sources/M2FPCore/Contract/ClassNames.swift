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

  /// The candidate that a mistyped name is closest to.
  ///
  /// - Parameters:
  ///   - text: What was typed.
  ///   - candidates: What could have been meant.
  /// - Returns: Nil if none is close.
  public static func nearest(to text: String, in candidates: [String]) -> String? {
    let typed = Array(letters(text))
    let ranked = candidates.map { ($0, distance(typed, Array(letters($0)))) }
    // A third of the letters may be wrong: more is a guess.
    guard let (best, edits) = ranked.min(by: { $0.1 < $1.1 }), edits <= max(1, typed.count / 3)
    else { return nil }
    return best
  }

  private static func letters(_ name: String) -> String {
    name.lowercased().filter { $0.isLetter || $0.isNumber }
  }

  /// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal
  /// string alignment).
  private static func distance(_ a: [Character], _ b: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for i in a.indices {
      var row = [i + 1]
      for j in b.indices {
        var edits = min(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
        if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
          edits = min(edits, beforeLast[j - 1] + 1)
        }
        row.append(edits)
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
