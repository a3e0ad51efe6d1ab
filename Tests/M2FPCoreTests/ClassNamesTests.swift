import M2FPCore
import Testing

@Suite struct ClassNamesTests {
  private let classes = ["Background", "Hat", "Hair", "UpperClothes", "Torso-skin", "Left-arm"]

  @Test(arguments: [
    ("Left-arm", "left-arm"), ("UpperClothes", "upper-clothes"), ("Torso-skin", "torso-skin"),
    ("Upper-clothes", "upper-clothes"), ("Hat", "hat"), ("left arm", "left-arm"),
    ("../Etc", "etc"), ("-A--b-", "a-b"), ("", ""), ("Part 2B", "part-2b"),
  ]) func makesFileNames(_ name: String, _ slug: String) {
    #expect(ClassNames.slug(name) == slug)
  }

  @Test(arguments: [
    ("Hair", 2), ("hair", 2), ("HAIR", 2), ("upper-clothes", 3), ("upperclothes", 3),
    ("Upper_Clothes", 3), ("torso skin", 4), ("5", 5), ("0", 0), ("background", 0),
  ]) func findsWhatIsMeant(_ text: String, _ index: Int) {
    #expect(ClassNames.index(of: text, in: classes) == index)
  }

  @Test(arguments: ["6", "-1", "", "-", "hai", "arm"]) func findsNothingElse(_ text: String) {
    #expect(ClassNames.index(of: text, in: classes) == nil)
  }

  @Test(arguments: [
    ("hiar", "Hair"), ("hairr", "Hair"), ("left-amr", "Left-arm"), ("uperclothes", "UpperClothes"),
    ("torsoskn", "Torso-skin"),
  ]) func suggestsTheNearest(_ text: String, _ name: String) {
    #expect(SpellingSuggestion.nearest(to: text, in: classes) == name)
  }

  /// Whoever wrote less or more of a name meant that one, unless another is nearer.
  @Test(arguments: [
    ("--output", "--out"), ("--overlay-op", "--overlay-opacity"), ("--overlays", "--overlay"),
    ("--person-mask", "--person-masks"), ("--ou", "--out"), ("--cutuot", "--cutout"),
  ]) func prefersWhatBeginsAlike(_ text: String, _ name: String) {
    let options = [
      "--cutout", "--overlay", "--overlay-opacity", "--out", "--persons", "--person-masks",
      "--shard",
    ]
    #expect(SpellingSuggestion.nearest(to: text, in: options) == name)
  }

  @Test(arguments: ["elephant", "", "xyz"]) func suggestsNothingFarOff(_ text: String) {
    #expect(SpellingSuggestion.nearest(to: text, in: classes) == nil)
  }

  /// A stranger's, of any length: comparing it letter by letter would take minutes.
  @Test(.timeLimit(.minutes(5)))
  func issue17WhatIsFarTooLongIsNotCompared() {
    let text = String(repeating: "x", count: 300_000)
    let names = (0..<256).map { "a class with a name of some length, number \($0)" }
    #expect(SpellingSuggestion.nearest(to: text, in: names) == nil)
  }
}
