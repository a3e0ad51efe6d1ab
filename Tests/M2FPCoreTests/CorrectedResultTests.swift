import Testing

@testable import M2FPCore

struct CorrectedResultTests {
  /// A result over a picture in letters: "." is background and nobody's; a letter is a person's, of
  /// class 1 where it is small and class 2 where it is large.
  private func result(_ rows: [String]) -> ParsingResult {
    let letters = rows.joined().utf8
    let ids = letters.map { $0 == UInt8(ascii: ".") ? 0 : ($0 | 0x20) - UInt8(ascii: "a") + 1 }
    let labels = LabelMap(
      width: rows[0].utf8.count, height: rows.count,
      pixels: letters.map { $0 == UInt8(ascii: ".") ? 0 : $0 & 0x20 == 0 ? 2 : 1 })
    let map = LabelMap(width: labels.width, height: labels.height, pixels: ids)
    let count = Int(ids.max() ?? 0)
    let tallies = PartTally.count(labels: labels, map: map, persons: count, classes: 3)
    let list = (1..<count + 1).compactMap { id in
      Person(
        score: 0.9 - 0.1 * Float(id), tallies: tallies[id * 3..<(id + 1) * 3],
        scores: [nil, 0.5, 0.25])
    }
    return ParsingResult(
      labels: labels, parts: [], humans: [], persons: Persons(map: map, list: list),
      classPixelCounts: (0..<3).map { value in labels.pixels.count { $0 == value } },
      classScores: [nil, 0.5, 0.25])
  }

  private func labels(_ rows: [String]) -> LabelMap {
    LabelMap(
      width: rows[0].utf8.count, height: rows.count,
      pixels: rows.joined().utf8.map { $0 == UInt8(ascii: ".") ? 0 : $0 - UInt8(ascii: "0") })
  }

  private func ids(_ result: ParsingResult) -> [String] {
    guard let map = result.persons?.map else { return [] }
    return (0..<map.height).map { y in
      map.pixels[y * map.width..<(y + 1) * map.width].map { $0 == 0 ? "." : "\($0)" }.joined()
    }
  }

  @Test func whatIsPaintedBesideAPersonIsOfThatPerson() throws {
    let before = result(["aA..", "aA..", "..Bb"])
    let after = before.corrected(by: labels(["122.", "120.", "..21"]), leastPixels: 1)
    #expect(ids(after) == ["111.", "11..", "..22"])
    #expect(after.classPixelCounts == [5, 3, 4])
    let person = try #require(after.persons?.list.first)
    #expect(person.pixelCount == 5 && person.box == .init(x: 0, y: 0, width: 3, height: 2))
    #expect(person.score == before.persons?.list.first?.score)
    #expect(person.parts.map(\.pixelCount) == [2, 3] && person.parts.map(\.score) == [0.5, 0.25])
  }

  @Test func aClassThatIsNewHasNoScoreAndOneThatIsGoneHasNone() throws {
    let after = result(["aa", "aa"]).corrected(by: labels(["22", "22"]), leastPixels: 1)
    #expect(after.classScores == [nil, nil, 0.25] && after.classPixelCounts == [0, 0, 4])
    #expect(after.persons?.list.first?.parts.map(\.classIndex) == [2])
  }

  @Test func whatTouchesNobodyIsAPersonOfItsOwnIfItIsLargeEnough() throws {
    let before = result(["a....", "a....", "a...."])
    let painted = labels(["1..11", "1..1.", "1...."])
    let after = before.corrected(by: painted, leastPixels: 3)
    #expect(ids(after) == ["1..22", "1..2.", "1...."])
    #expect(after.persons?.list.last?.score == 1 && after.persons?.list.count == 2)
    #expect(ids(before.corrected(by: painted, leastPixels: 4)) == ["1....", "1....", "1...."])
  }

  @Test func whoIsPaintedOverIsGoneAndTheOthersMoveUp() {
    let after = result(["a.b", "a.b"]).corrected(by: labels(["..1", "..1"]), leastPixels: 1)
    #expect(ids(after) == ["..1", "..1"])
    #expect(after.persons?.list.count == 1)
  }

  /// The longer border counts; where two are level, the better person.
  @Test func betweenTwoPersonsTheLongerBorderDecides() {
    let painted = labels(["1111", "1.11"])
    #expect(
      ids(result(["a..b", "a.bb"]).corrected(by: painted, leastPixels: 1)) == ["1222", "1.22"])
    #expect(ids(result(["a.b"]).corrected(by: labels(["111"]), leastPixels: 1)) == ["112"])
  }

  @Test func aRestoredResultIsTheOneThatWasSummedUp() throws {
    let whole = result(["aA.b", "aABb", "..Bb"])
    let names = ["Background", "One", "Two"]
    let summary = ResultSummary(whole, classes: names, masks: true)
    let restored = try #require(ParsingResult(summary, labels: whole.labels, classes: 3))
    #expect(restored.persons == whole.persons && restored.labels == whole.labels)
    #expect(ResultSummary(restored, classes: names, masks: true) == summary)
    #expect(ParsingResult(summary, labels: whole.labels, classes: 2) == nil, "a label too many")
    let unmasked = ResultSummary(whole, classes: names)
    #expect(ParsingResult(unmasked, labels: whole.labels, classes: 3) == nil, "no masks")
  }
}
