import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

/// Sidecars, and those in the cache, that somebody has forged.
struct SidecarTests: BatchFixture {
  let folder: TemporaryFolder
  private let cacheFolder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    cacheFolder = try TemporaryFolder()
    try addImage("a.png")
  }

  private func everything() throws -> RunOptions {
    var options = options()
    options.parsing.outputs.personMap = true
    options.parsing.outputs.personMasks = [13]
    options.parsing.outputs.cutout = .init(classes: [13], perPerson: true)
    return options
  }

  private func cached() throws -> RunOptions {
    var options = try everything()
    options.cache = try ResultCache(cacheFolder.filePath, limit: .max)
    return options
  }

  /// Every whole number of a sidecar.
  private static let numbers = [
    "format_version", "input.size", "input.width", "input.height", "input.orientation",
    "options.max_side", "options.persons.min_pixels", "options.persons.min_share",
    "options.remap.table.0", "classes.1.index", "classes.1.pixels", "parts.0.index",
    "parts.0.pixels", "parts.0.box.0", "parts.0.box.3", "humans.0.index", "humans.0.pixels",
    "humans.0.box.1", "persons.0.id", "persons.0.pixels", "persons.0.box.0", "persons.0.box.2",
    "persons.0.parts.0.index", "persons.0.parts.0.pixels", "persons.0.parts.0.box.3",
    "outputs.0.size", "person_limit",
  ]

  /// Less than any and more than any, of each kind in turn: fuzzing tries them all.
  private static let cases = numbers.enumerated().map { index, number in
    (
      number,
      [
        ["-1", "\(Int.min)", "-1e300"][index % 3],
        ["\(Int.max)", "18446744073709551616", "1e300"][(index + index / 3) % 3],
      ]
    )
  }

  /// No number ends the run, and none is believed: what is forged is made anew.
  @Test(arguments: cases)
  func issue17NumbersInASidecarTrapNowhere(_ number: String, _ values: [String]) throws {
    let options = try everything()
    try run(options)
    let tree = try folder.tree()
    var sidecar = try #require(tree["a.m2fp.json"])
    if number.hasPrefix("options.remap") {
      sidecar = try JSONEdit.setting(
        "options.remap", to: #"{"classes": ["a", "b"], "table": [0]}"#, in: sidecar)
    }
    let planned = OutputPlan.plan(
      [Input(path: folder.filePath("a.png"), relativePath: "a.png")], root: nil, naming: .stem)[0]
    for value in values {
      let forged = try JSONEdit.setting(number, to: value, in: sidecar)
      // On one line it is decoded whole; as it was written, the header alone is read first.
      let laidOut =
        (try? JSONSerialization.jsonObject(with: forged)).flatMap {
          try? JSONSerialization.data(
            withJSONObject: $0, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        }
      try folder.write("a.m2fp.json", forged)
      // Whether it is one to be exported, or why not.
      do throws(FileFailure) {
        _ = try StoredResult(planned)
      } catch {
        #expect(error.stage == .read && !error.message.isEmpty)
      }
      #expect(try run(options, isDryRun: true).summary.failed == 0)
      try folder.write("a.m2fp.json", laidOut ?? forged)
      #expect(try run(options).summary.failed == 0)
      #expect(try folder.tree() == tree, "\(number): \(value)")
    }
  }

  /// A map that says to have more pixels than there is memory for, and a sidecar that says the same.
  @Test(arguments: [1_000_000, 2_147_483_647])
  func issue17AMapOfImpossibleSizeIsNotHeld(_ side: Int) throws {
    let options = try everything()
    try run(options)
    let tree = try folder.tree()
    let planned = OutputPlan.plan(
      [Input(path: folder.filePath("a.png"), relativePath: "a.png")], root: nil, naming: .stem)[0]
    var sidecar = try #require(tree["a.m2fp.json"])
    for key in ["width", "height"] {
      sidecar = try JSONEdit.setting("input.\(key)", to: "\(side)", in: sidecar)
    }
    var map = [UInt8](try #require(tree["a.m2fp.png"]))
    for place in [16, 20] {
      for byte in 0..<4 { map[place + byte] = UInt8(side >> (24 - 8 * byte) & 0xFF) }
    }
    let sum = map[12..<29].withUnsafeBytes { crc32(0, $0) }
    for byte in 0..<4 { map[29 + byte] = UInt8(sum >> (24 - 8 * UInt32(byte)) & 0xFF) }
    try folder.write("a.m2fp.png", map)
    try folder.write("a.m2fp.json", sidecar)
    #expect(throws: FileFailure.self) { try StoredResult(planned) }
    #expect(try run(options).summary.parsed == 1)
    #expect(try folder.tree() == tree)
  }

  /// As PNG has it (ISO 15948, annex D).
  private func crc32(_ start: UInt32, _ bytes: UnsafeRawBufferPointer) -> UInt32 {
    ~bytes.reduce(~start) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in
        sum & 1 == 1 ? 0xEDB8_8320 ^ sum >> 1 : sum >> 1
      }
    }
  }

  /// Whole and true to their digest, too.
  @Test(arguments: cases)
  func issue17NumbersInAnEntryTrapNowhere(_ number: String, _ values: [String]) throws {
    try run(cached())
    let tree = try folder.tree()
    let name = try #require(
      cacheFolder.tree().keys.first { $0.hasSuffix(".entry") }, "the result is in the cache")
    let entry = [UInt8](try #require(cacheFolder.tree()[name]))
    let lines = entry.split(separator: UInt8(ascii: "\n"), maxSplits: 2)
    let outputs = entry[((lines[0].count + lines[1].count + 2 + 4095) & ~4095)...]
    for value in values {
      var rest =
        try JSONEdit.setting("sidecar." + number, to: value, in: Data(lines[1])) + Data("\n".utf8)
      rest += Data(count: (4096 - (lines[0].count + 1 + rest.count) % 4096) % 4096) + outputs
      let digest = [UInt8](rest).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
      try cacheFolder.write(name, Data("m2fp-result \(digest)\n".utf8) + rest)
      try folder.remove("a.m2fp.json")
      let (summary, outcomes) = try run(cached())
      #expect(summary.parsed == 1, "\(number): \(value)")
      #expect(outcomes[0].warnings == ["its entry in the cache was damaged, and has been dropped"])
      #expect(try folder.tree() == tree)
    }
  }
}
