/// What someone who mistyped a name may have meant.
public enum SpellingSuggestion {
  /// The candidate that a mistyped name is closest to.
  ///
  /// - Parameters:
  ///   - text: What was typed.
  ///   - candidates: What could have been meant.
  /// - Returns: Nil if none is close.
  public static func nearest(to text: String, in candidates: [String]) -> String? {
    let typed = Array(ClassNames.letters(text))
    // A third of the letters may be wrong: more is a guess.
    let allowed = max(1, typed.count / 3)
    let ranked = candidates.compactMap { candidate -> (String, cost: Int, edits: Int)? in
      let letters = Array(ClassNames.letters(candidate))
      let difference = abs(typed.count - letters.count)
      // Whoever wrote less or more of a name than there is meant that one: "output" is "out".
      if min(typed.count, letters.count) >= 3 {
        if letters.starts(with: typed) { return (candidate, min(1, difference), 0) }
        if typed.starts(with: letters) { return (candidate, min(2, difference), 0) }
      }
      // What a stranger wrote may be of any length.
      guard difference <= allowed else { return nil }
      let edits = distance(typed, letters)
      return edits <= allowed ? (candidate, edits, edits) : nil
    }
    // Of two as near the one that begins alike.
    return ranked.min { ($0.cost, $0.edits) < ($1.cost, $1.edits) }?.0
  }

  /// The end of a sentence about a name that is not there.
  ///
  /// - Parameters:
  ///   - text: What was typed.
  ///   - candidates: What could have been meant.
  /// - Returns: `; did you mean 'hair'?`, or nil if no candidate is close.
  public static func question(to text: String, in candidates: [String]) -> String? {
    nearest(to: text, in: candidates).map { "; did you mean '\($0)'?" }
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
