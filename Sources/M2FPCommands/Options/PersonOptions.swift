import ArgumentParser
import M2FPCore

/// Options about who is a person.
struct PersonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Least score of a person, 0 to 1. Default: the model's own for its colour map.",
      valueName: "score"))
  var minPersonScore: Float?

  @Option(
    help: ArgumentHelp(
      "Least size of a person, others on top of it: in pixels, or in % of the photo. Default: 0.1%.",
      valueName: "pixels|%"))
  var minPersonSize: Amount?

  @Option(
    help: ArgumentHelp(
      "How much of a person may lie under better ones, 0 to 1, before it is one of them found "
        + "twice; 1 keeps all. Default: 0.5.", valueName: "share"))
  var maxPersonOverlap: Float?

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    let options: [(Bool, String)] = [
      (minPersonScore != nil, "min-person-score"),
      (minPersonSize != nil, "min-person-size"), (maxPersonOverlap != nil, "max-person-overlap"),
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
  /// - Parameter contract: That of the model that finds persons.
  /// - Returns: The rules, with the model's own score where none is given.
  func rules(contract: ModelContract) -> PersonRules {
    var rules = PersonRules.standard(contract)
    if let minPersonScore { rules.minScore = minPersonScore }
    switch minPersonSize {
    case .pixels(let pixels): rules.minSize = .pixels(pixels)
    case .share(let share): rules.minSize = .share(share)
    case nil: break
    }
    if let maxPersonOverlap { rules.maxOverlap = maxPersonOverlap }
    return rules
  }
}
