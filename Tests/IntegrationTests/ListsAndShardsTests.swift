import Foundation
import TestSupport
import Testing

/// Lists, patterns and shards, by the binary itself.
struct ListsAndShardsTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func slurmTellsTheShard() async throws {
    for index in 0..<8 { try addPhoto("in/\(index).png", width: 50) }
    var count = 0
    for task in [3, 5] {
      let result = try await parse(
        "in", "--shard", "slurm", "--json", "--dry-run",
        environment: [
          "SLURM_ARRAY_TASK_ID": "\(task)", "SLURM_ARRAY_TASK_COUNT": "2",
          "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5",
        ])
      #expect(result.code == 0)
      count += result.summary?.planned ?? 0
    }
    #expect(count == 8)
    let outside = try await parse("in", "--shard", "slurm")
    #expect(outside.code == 64 && outside.error.contains("--array=1-N"))
    #expect(try await parse("in", "--shard", "3/2").code == 64)
  }

  @Test func aListOfFailuresIsTakenBack() async throws {
    try addPhoto("in/good.png")
    try folder.write("in/sub/bad\n.png", "text".utf8)
    try folder.write("in/bad.png", "text".utf8)
    let first = try await parse("in", "--out", "out", "--failed-to", "failed", "-0", "--json")
    #expect(first.code == 3 && first.summary?.failed == 2)
    #expect(try folder.read("failed") == Data("in/./bad.png\0in/./sub/bad\n.png\0".utf8))
    try addPhoto("in/sub/bad\n.png")
    let again = try await parse(
      "--files-from", "failed", "-0", "--out", "out", "--failed-to", "failed", "--json")
    #expect(again.code == 3 && again.summary?.parsed == 1 && again.summary?.failed == 1)
    #expect(folder.exists("out/sub/bad\n.m2fp.json") && folder.exists("out/good.m2fp.json"))
    #expect(try folder.read("failed") == Data("in/./bad.png\0".utf8))
  }

  @Test func listsComeThroughPipesAndMayBeEmpty() async throws {
    try addPhoto("in/sub/a.png")
    try addPhoto("in/b.png")
    let piped = try await shell(
      "find in/. -name '*.png' -print0 | \"$M2FP\" parse --model \"$MODEL\" --files-from - -0 --out out"
        + " --exclude b.png && : | \"$M2FP\" parse --model \"$MODEL\" --files-from -")
    #expect(piped.code == 0, "\(piped.error)")
    #expect(folder.exists("out/sub/a.m2fp.json") && !folder.exists("out/b.m2fp.json"))
    let missing = try await parse("--files-from", "none")
    #expect(missing.code == 66 && missing.error.contains("'none'"))
  }
}
