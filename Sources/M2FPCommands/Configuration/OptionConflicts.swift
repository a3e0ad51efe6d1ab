import M2FPExport

/// How what is typed is stronger than m2fp.toml also where it is another option: no value of the
/// file is the reason why a command line is refused.
enum OptionConflicts {
  /// Of each of these one counts: what is typed takes the place of the others in the file.
  private static let alternatives: [Set<String>] = [
    ["cache", "no-cache"], ["fail-fast", "keep-going", "max-errors"], ["log-level", "quiet"],
  ]

  /// What each of these needs one of. A file may set it for those runs that have that.
  private static let needs: [String: Set<String>] = [
    "max-person-overlap": persons, "min-person-score": persons, "min-person-size": persons,
    "overlay-font": ["overlay-names"], "overlay-format": ["overlay"], "overlay-names": ["overlay"],
    "overlay-opacity": ["overlay"], "overlay-outlines": ["overlay"], "person-masks": persons,
  ]

  private static let persons: Set<String> = ["cutout-persons", "persons"]

  /// The defaults that count beside a command line.
  ///
  /// - Parameters:
  ///   - defaults: The options that a file sets and the command line does not name, each with the
  ///     words that set it.
  ///   - typed: The words of the command line.
  ///   - names: The names of the options that they set.
  /// - Returns: Those of `defaults` that go with it.
  static func counting(
    _ defaults: [String: [String]], beside typed: [String], naming names: Set<String>
  ) -> [String: [String]] {
    let displaced = alternatives.filter { !$0.isDisjoint(with: names) }.joined()
    var kept = defaults.filter { !displaced.contains($0.key) }
    var there = names
    // Exports may tell persons apart by themselves.
    let exports = (typed + (kept["export"] ?? [])).map { $0.trimmingPrefix("--export=") }
    if exports.contains(where: {
      ExportArgument(argument: String($0))?.request.needsPersons ?? false
    }) {
      there.insert("persons")
    }
    // What goes may be what another needs.
    while case let all = there.union(kept.keys),
      case let idle = kept.keys.filter({ needs[$0]?.isDisjoint(with: all) ?? false }), !idle.isEmpty
    {
      for name in idle { kept[name] = nil }
    }
    return kept
  }
}
