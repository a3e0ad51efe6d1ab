import Foundation
import Testing

/// Lists, patterns and shards, by the binary itself.
struct SelectionTests: EndToEnd {
  let place: WorkingFolder

  init() throws {
    place = try WorkingFolder()
  }

  @Test func slurmTellsTheShard() throws {
    for index in 0..<8 { try addPhoto("in/\(index).png", width: 50) }
    var count = 0
    for task in [3, 5] {
      let result = try parse(
        "in", "--shard", "slurm", "--json", "--dry-run",
        environment: [
          "SLURM_ARRAY_TASK_ID": "\(task)", "SLURM_ARRAY_TASK_COUNT": "2",
          "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_MAX": "5",
        ])
      #expect(result.code == 0)
      count += result.total("planned") ?? 0
    }
    #expect(count == 8)
    let outside = try parse("in", "--shard", "slurm")
    #expect(outside.code == 64 && outside.error.contains("--array=1-N"))
    #expect(try parse("in", "--shard", "3/2").code == 64)
  }

  @Test func aListOfFailuresIsTakenBack() throws {
    try addPhoto("in/good.png")
    try write("in/sub/bad\n.png", Data("text".utf8))
    try write("in/bad.png", Data("text".utf8))
    let first = try parse("in", "--out", "out", "--failed-to", "failed", "-0", "--json")
    #expect(first.code == 3 && first.total("failed") == 2)
    #expect(try Data(contentsOf: url("failed")) == Data("in/./bad.png\0in/./sub/bad\n.png\0".utf8))
    try addPhoto("in/sub/bad\n.png")
    let again = try parse(
      "--files-from", "failed", "-0", "--out", "out", "--failed-to", "failed", "--json")
    #expect(again.code == 3 && again.total("parsed") == 1 && again.total("failed") == 1)
    #expect(exists("out/sub/bad\n.m2fp.json") && exists("out/good.m2fp.json"))
    #expect(try Data(contentsOf: url("failed")) == Data("in/./bad.png\0".utf8))
  }

  @Test func listsComeThroughPipesAndMayBeEmpty() throws {
    try addPhoto("in/sub/a.png")
    try addPhoto("in/b.png")
    let piped = try shell(
      "find in/. -name '*.png' -print0 | \"$M2FP\" parse --model \"$MODEL\" --files-from - -0 --out out"
        + " --exclude b.png && : | \"$M2FP\" parse --model \"$MODEL\" --files-from -")
    #expect(piped.code == 0, "\(piped.error)")
    #expect(exists("out/sub/a.m2fp.json") && !exists("out/b.m2fp.json"))
    let missing = try parse("--files-from", "none")
    #expect(missing.code == 66 && missing.error.contains("'none'"))
  }
}
