import ArgumentParser
import M2FPCore

/// Options of `parse` about persons.
struct PersonOptions: ParsableArguments {
  @Flag(
    help: """
      Tell persons apart: photo.m2fp.persons.png (pixel value = person id), and each person with \
      score, box and parts in the sidecar.
      """)
  var persons = false

  @Option(
    help: ArgumentHelp(
      "Least score of a person, 0 to 1. Default: the model's own for its colour map.",
      valueName: "score"))
  var minPersonScore: Float?

  @Option(
    help: ArgumentHelp(
      "Least size of a person, others on top of it: in pixels, or in % of the photo. Default: 0.1%.",
      valueName: "pixels|%"))
  var minPersonSize: PersonSize?

  @Option(
    help: ArgumentHelp(
      "How much of a person may lie under better ones, 0 to 1, before it is one of them found "
        + "twice; 1 keeps all. Default: 0.5.", valueName: "share"))
  var maxPersonOverlap: Float?

  @Option(
    help: ArgumentHelp(
      "Masks for each person, photo.m2fp/person-1/hair.png: all, none, or class names. "
        + "Default: none.", valueName: "all|none|a,b,..."), completion: .classList)
  var personMasks: String?

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    let options: [(Bool, String)] = [
      (persons, "persons"), (minPersonScore != nil, "min-person-score"),
      (minPersonSize != nil, "min-person-size"), (maxPersonOverlap != nil, "max-person-overlap"),
      (personMasks != nil, "person-masks"),
    ]
    return Set(options.filter(\.0).map(\.1))
  }

  func validate() throws {
    if let minPersonScore, !(0...1).contains(minPersonScore) {
      throw ValidationError("--min-person-score is 0 to 1.")
    }
    if let maxPersonOverlap, !(0...1).contains(maxPersonOverlap) {
      throw ValidationError("--max-person-overlap is 0 to 1.")
    }
  }

  /// The rules that the options make.
  ///
  /// - Parameters:
  ///   - contract: The model's contract.
  ///   - needed: Whether another option needs persons.
  /// - Returns: Nil for no persons.
  func rules(contract: ModelContract, needed: Bool) -> PersonRules? {
    guard persons || needed else { return nil }
    return PersonRules(
      minScore: minPersonScore ?? contract.postprocess.instanceRules?.semanticScoreThreshold ?? 0,
      minSize: minPersonSize?.size ?? .share(0.001), maxOverlap: maxPersonOverlap ?? 0.5)
  }

  /// The classes that get masks for each person.
  ///
  /// - Throws: `ValidationError` for a name that is none.
  func maskClasses(_ classes: [String]) throws -> Set<Int> {
    try ClassList.indices(personMasks ?? "none", option: "--person-masks", classes: classes)
  }
}

/// `400` or `0.5%`.
struct PersonSize: ExpressibleByArgument {
  let size: PersonRules.Size

  init?(argument: String) {
    if argument.hasSuffix("%") {
      guard let percent = Double(argument.dropLast()), (0...100).contains(percent) else {
        return nil
      }
      size = .share(percent / 100)
    } else {
      guard let pixels = Int(argument), pixels >= 0 else { return nil }
      size = .pixels(pixels)
    }
  }
}
