import ArgumentParser
import M2FPCore

/// Options about what is written of persons.
struct PersonOutputOptions: ParsableArguments {
  @Flag(
    help: """
      Tell persons apart: photo.m2fp.persons.png (pixel value = person id), and overlays with the \
      edges of persons.
      """)
  var persons = false

  @Option(
    help: ArgumentHelp(
      "Masks for each person, photo.m2fp/person-1/hair.png: all, none, or class names. "
        + "Default: none.", valueName: "all|none|a,b,..."), completion: .classList)
  var personMasks: String?

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    Set([(persons, "persons"), (personMasks != nil, "person-masks")].filter(\.0).map(\.1))
  }

  /// The classes that get masks for each person.
  ///
  /// - Throws: `ValidationError` for a name that is none.
  func maskClasses(_ classes: [String]) throws -> Set<Int> {
    try ClassList.indices(personMasks ?? "none", option: "--person-masks", classes: classes)
  }
}
