import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// Many photos of all sizes with bad files strewn in. `make soak` does it at length: `SOAK_IMAGES`
/// photos, seeded by `TRIAL_SEED`.
struct SoakTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// Twelve ways in which a file can be bad, and what has to be said of each.
  private static let bad: [(stage: String, code: String, make: @Sendable (String) throws -> Void)] =
    [
      ("decode", "empty", { try Data().write(to: URL(fileURLWithPath: $0)) }),
      (
        "decode", "unknown-format",
        { try Data("no photo".utf8).write(to: URL(fileURLWithPath: $0)) }
      ),
      (
        "decode", "unknown-format",
        { try Data("%PDF-1.7".utf8).write(to: URL(fileURLWithPath: $0)) }
      ),
      ("decode", "truncated", { try copy("truncated-at-50-percent.jpg", $0) }),
      ("decode", "truncated", { try copy("truncated-at-50-percent.png", $0) }),
      ("decode", "truncated", { try copy("cut-in-a-chunk-after-the-pixels.png", $0) }),
      ("decode", "corrupt", { try copy("bad-crc.png", $0) }),
      ("decode", "image-too-large", { try copy("header-100000x100000.png", $0) }),
      ("read", "file-too-large", { try Data(count: 3 << 20).write(to: URL(fileURLWithPath: $0)) }),
      ("read", "not-a-file", { #expect(symlink("nowhere", $0) == 0) }),
      ("read", "not-a-file", { #expect(mkdir($0, 0o777) == 0) }),
      ("read", "not-a-file", { #expect(mkfifo($0, 0o666) == 0) }),
    ]

  private static func copy(_ name: String, _ path: String) throws {
    try FileManager.default.copyItem(atPath: Fixtures.path("images/bad/" + name), toPath: path)
  }

  /// What is logged after each file.
  private struct Logged: Decodable {
    let file: String?
    let resident: String?
  }

  @Test func everyGoodPhotoIsParsedEveryBadOneNamedAndMemoryStaysFlat() async throws {
    let count = Self.number("SOAK_IMAGES", default: 120)
    let seed = Self.number("TRIAL_SEED", default: 1)
    var random = SplitMix64(seed: UInt64(truncatingIfNeeded: seed))
    for number in 0..<3 {
      try FileManager.default.createDirectory(
        atPath: folder.path("in/\(number)"), withIntermediateDirectories: true)
    }
    let badCount = max(Self.bad.count, count * 3 / 100)
    let badNumbers = Dictionary(
      uniqueKeysWithValues: (0..<count).shuffled(using: &random).prefix(badCount).enumerated().map {
        ($0.element, $0.offset % Self.bad.count)
      })
    var sizes: [String: (width: Int, height: Int)] = [:]
    for number in 0..<count {
      let name = "in/" + Self.name(number)
      if let kind = badNumbers[number] {
        try Self.bad[kind].make(folder.path(name))
        continue
      }
      // One in fifty is large. One of the first is the largest, so that its pixels are no growth.
      let scale = Int.random(in: 0..<50, using: &random) == 0 ? 4 : 1
      let size =
        sizes.isEmpty
        ? (width: 1600, height: 1200)
        : (
          width: .random(in: 8...400, using: &random) * scale,
          height: .random(in: 8...300, using: &random) * scale
        )
      try addPhoto(number: number, width: size.width, height: size.height)
      sizes[name] = size
    }

    let result = try await run(
      "parse", "in", "--out", "out", "--model", Self.model, "--max-file-size", "2", "--json",
      "--log-level", "debug", "--log-format", "json")
    #expect(result.code == 3, "\(result.error.suffix(1000))")
    let lines = Dictionary(
      result.lines.compactMap { line in line.file.map { ($0, line) } }, uniquingKeysWith: { $1 })
    #expect(lines.count == count)
    var wrong: [String] = []
    for (number, kind) in badNumbers {
      let name = "in/" + Self.name(number)
      let (stage, code, _) = Self.bad[kind]
      let line = lines[name]
      if line?.status != "failed" || line?.stage != stage || line?.code != code
        || line?.message?.isEmpty ?? true
      {
        wrong.append("\(name), \(stage) \(code): \(String(describing: line))")
      }
    }
    for (name, size) in sizes {
      let stem = "out/" + name.dropFirst("in/".count).dropLast(".png".count)
      guard lines[name]?.status == "parsed",
        let map = FileManager.default.contents(atPath: folder.path(stem + ".m2fp.png")),
        let image = try? ImageDecoder.decode([UInt8](map)).image,
        image.width == size.width, image.height == size.height,
        FileManager.default.fileExists(atPath: folder.path(stem + ".m2fp.json"))
      else {
        wrong.append("\(name) is not parsed")
        continue
      }
    }
    #expect(wrong.isEmpty, "\(wrong.prefix(5))")

    let resident = result.error.split(separator: "\n").compactMap {
      (try? JSONDecoder().decode(Logged.self, from: Data($0.utf8)))?.resident.flatMap { Int($0) }
    }
    try #require(resident.count == count)
    let warm = min(100, count / 2)
    let growth = (resident[warm...].max() ?? 0) - (resident[..<warm].max() ?? 0)
    #expect(growth <= 30_000_000, "bytes after the first \(warm) files")
    let marks = [100, 1000, 10_000].filter { $0 <= count }.map {
      "\(resident[$0 - 1] / 1_000_000) MB after \($0)"
    }
    print(
      """
      soak (seed \(seed)): \(sizes.count) good photos of 8×8 to 1600×1200, all parsed; \(badCount) \
      bad files of \(Self.bad.count) kinds, \(wrong.count) not named with stage and reason; exit \
      \(result.code ?? -1); resident \(marks.joined(separator: ", ")); peak grew by \
      \(Double(growth) / 1e6) MB after the first \(warm)
      """)
  }
}
