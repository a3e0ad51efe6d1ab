import Testing

@testable import M2FPCommands

struct M2FPCommandTests {
  @Test(arguments: [
    (
      ["parse", "--export", "coco", "a b.json", "in"], ["parse", "--export", "coco=a b.json", "in"]
    ),
    (["parse", "--export", "coco=x", "in"], ["parse", "--export", "coco=x", "in"]),
    (["parse", "--export", "coco"], ["parse", "--export", "coco"]),
    (["parse", "--", "--export", "coco", "x"], ["parse", "--", "--export", "coco", "x"]),
  ]) func anExportMayStillBeOfTwoWords(typed: [String], understood: [String]) {
    #expect(M2FPCommand.joiningPairs(typed) == understood)
  }
}
