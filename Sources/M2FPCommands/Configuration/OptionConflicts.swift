import ArgumentParser
import M2FPExport

/// Relations between options, in one table: which of them exclude each other, and which need another.
///
/// A command line that goes against it is refused. No value of m2fp.toml is the reason for that: what is
/// typed is stronger also where it is another option.
enum OptionConflicts {
  /// Options of which one counts: what is typed takes the place of the others in the file.
  private struct Alternatives {
    let options: Set<String>
    /// Those of them that cannot both be meant.
    var exclusive: [String] = []
  }

  private static let alternatives = [
    Alternatives(options: ["blur", "pixelate"], exclusive: ["blur", "pixelate"]),
    Alternatives(options: ["grow", "shrink"], exclusive: ["grow", "shrink"]),
    Alternatives(options: ["cache", "no-cache"], exclusive: ["cache", "no-cache"]),
    Alternatives(
      options: ["fail-fast", "keep-going", "max-errors"], exclusive: ["fail-fast", "max-errors"]),
    Alternatives(options: ["log-level", "quiet", "verbose"]),
  ]

  /// What each of these needs one of, the usual one first. A file may set it for those runs that have
  /// that.
  private static let needs: [String: [String]] = [
    "background": cutouts, "crop": cutouts, "cutout-edges": cutouts,
    "obscured-format": ["blur", "pixelate"], "obscured-grow": ["blur", "pixelate"],
    "max-person-overlap": persons, "min-person-score": persons, "min-person-size": persons,
    "overlay-font": ["overlay-names"], "overlay-format": ["overlay"], "overlay-names": ["overlay"],
    "overlay-opacity": ["overlay"], "overlay-outlines": ["overlay"], "person-masks": persons,
  ]

  private static let cutouts = ["cutout", "cutout-persons"]
  private static let persons = ["persons", "cutout-persons"]

  /// What `parse -` has for those that need it: it makes one output, of which they say how it looks.
  static let metByFilter: Set<String> = ["cutout", "overlay", "persons"]

  /// What says which files are written, and so is nothing for `parse -`.
  private static let notOfFilter: Set<String> = [
    "cutout-persons", "export", "failed-to", "json", "masks", "out", "overlay", "person-masks",
    "sheet",
  ]

  /// Whether an option lacks what it needs among others.
  private static func isIdle(_ option: String, among others: some Collection<String>) -> Bool {
    needs[option].map { !$0.contains(where: others.contains) } ?? false
  }

  /// Checks the options that a command was given.
  ///
  /// - Parameter given: Their names; "persons" also where an export tells persons apart by itself.
  /// - Throws: `ValidationError` for one that contradicts another, or needs one that is missing.
  static func check(_ given: Set<String>) throws {
    for options in alternatives.map(\.exclusive)
    where !options.isEmpty && given.isSuperset(of: options) {
      let names = options.map { "--" + $0 }.joined(separator: " and ")
      throw ValidationError("\(names) contradict each other: leave out one.")
    }
    for option in given.sorted() where isIdle(option, among: given) {
      throw ValidationError("--\(option) needs --\(needs[option]?.first ?? ""): add it.")
    }
  }

  /// The defaults that count beside a command line.
  ///
  /// - Parameters:
  ///   - defaults: The options that a file sets and the command line does not name, each with the
  ///     words that set it.
  ///   - typed: The words of the command line.
  ///   - names: The names of the options that they set.
  ///   - isFilter: Whether the photo is on standard input.
  /// - Returns: Those of `defaults` that go with it.
  static func counting(
    _ defaults: [String: [String]], beside typed: [String], naming names: Set<String>,
    isFilter: Bool = false
  ) -> [String: [String]] {
    let displaced = alternatives.map(\.options).filter { !$0.isDisjoint(with: names) }.joined()
    var kept = defaults.filter {
      !displaced.contains($0.key) && !(isFilter && notOfFilter.contains($0.key))
    }
    var there = isFilter ? names.union(metByFilter) : names
    // Exports may tell persons apart by themselves.
    let exports = (typed + (kept["export"] ?? [])).map { $0.trimmingPrefix("--export=") }
    if exports.contains(where: {
      ExportArgument(argument: String($0))?.request.needsPersons ?? false
    }) {
      there.insert("persons")
    }
    // What goes may be what another needs.
    while case let all = there.union(kept.keys),
      case let idle = kept.keys.filter({ isIdle($0, among: all) }), !idle.isEmpty
    {
      for name in idle { kept[name] = nil }
    }
    return kept
  }
}
