import M2FPCore
import Testing

@testable import M2FPCommands

struct QuantitiesTests {
  @Test func timesHaveUnits() {
    #expect(TimeSpan(argument: "90")?.duration == .seconds(90))
    #expect(TimeSpan(argument: "1.5h")?.duration == .seconds(5400))
    #expect(TimeSpan(argument: "2d")?.duration == .seconds(172_800))
    for text in ["", "h", "-1", "0", "1x", "1hm", "1e3", "inf", "nan", "٣"] {
      #expect(TimeSpan(argument: text) == nil, "\(text)")
    }
  }

  @Test func sizesHaveUnits() {
    #expect(ByteCount(argument: "10G")?.bytes == 10 << 30)
    #expect(ByteCount(argument: "512k")?.bytes == 512 << 10)
    #expect(ByteCount(argument: "0")?.bytes == 0)
    #expect(ByteCount(argument: "99999999T") == nil && ByteCount(argument: "1 G") == nil)
    #expect(ByteCount(10 << 30).defaultValueDescription == "10G")
  }
}
