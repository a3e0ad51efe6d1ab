import ArgumentParser
import Testing

@testable import M2FPCommands

struct OptionConflictsTests {
  @Test(arguments: [
    (["overlay-names"], "--overlay-names needs --overlay: add it."),
    (["overlay", "overlay-font"], "--overlay-font needs --overlay-names: add it."),
    (["min-person-score"], "--min-person-score needs --persons: add it."),
    (["crop"], "--crop needs --cutout: add it."),
    (["obscured-grow"], "--obscured-grow needs --blur: add it."),
    (["blur", "pixelate"], "--blur and --pixelate contradict each other: leave out one."),
    (["grow", "shrink"], "--grow and --shrink contradict each other: leave out one."),
    (["cache", "no-cache"], "--cache and --no-cache contradict each other: leave out one."),
    (
      ["fail-fast", "max-errors"],
      "--fail-fast and --max-errors contradict each other: leave out one."
    ),
  ])
  func whatDoesNotGoTogetherIsRefused(_ given: [String], _ message: String) {
    let error = #expect(throws: ValidationError.self) { try OptionConflicts.check(Set(given)) }
    #expect(error?.message == message)
  }

  @Test(arguments: [
    [], ["overlay", "overlay-names", "overlay-font"], ["cutout-persons", "person-masks"],
    ["crop", "cutout-persons"], ["obscured-grow", "pixelate"], ["keep-going", "max-errors"],
    ["log-level", "quiet"], ["cache"],
  ])
  func whatGoesTogetherIsNot(_ given: [String]) throws {
    try OptionConflicts.check(Set(given))
  }
}
