import M2FPBatch
import Testing

struct LeftOutTests {
  @Test func theMostOfAKindComeFirst() {
    var counts = LeftOutCounts()
    #expect(counts.total == 0 && counts.text() == "")
    let kinds: [LeftOut.Kind] = [
      .suffix(".psd"), .video, .link, .suffix(".psd"), .withoutSuffix, .link, .video, .video,
    ]
    for kind in kinds { counts.add(kind) }
    #expect(counts.total == 8)
    #expect(counts.text() == "3 video, 2 .psd, 2 symbolic links, 1 without suffix")
    #expect(counts.text(naming: 2) == "3 video, 2 .psd, 3 other")
  }

  @Test func kindsAreOnlySoMany() {
    var counts = LeftOutCounts()
    for _ in 0..<2 {
      for index in 0..<1000 { counts.add(.suffix(".x\(index)")) }
    }
    #expect(counts.total == 2000 && counts.counts.count == 51)
    #expect(counts.counts[.other] == 1900)
    #expect(counts.text().hasSuffix(", 1990 other"))
  }
}
