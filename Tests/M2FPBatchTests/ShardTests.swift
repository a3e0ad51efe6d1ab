import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage
import Testing

@testable import M2FPBatch

struct ShardTests {
  private let paths: [FilePath] =
    (0..<1000).map { FilePath("folder \($0 % 7)/photo-\($0).jpg") } + ["ä/ö.jpg", ""]

  @Test func everyFileIsInExactlyOneShard() throws {
    for count in [1, 2, 3, 7, 64, 1000] {
      let shards = try (1...count).map { try #require(Shard($0, of: count)) }
      #expect(shards[0].range.lowerBound == 0)
      #expect(shards[count - 1].range.upperBound == Shard.positions)
      #expect(
        zip(shards, shards.dropFirst()).allSatisfy { $0.range.upperBound == $1.range.lowerBound })
      for path in paths { #expect(shards.count { $0.contains(path) } == 1) }
    }
  }

  /// By `printf %s 'a/b.jpg' | sha256sum`.
  @Test func thePositionIsTheStartOfTheDigest() {
    #expect(Shard.position("a/b.jpg") == 0x4a51_6362)
    #expect(Shard.position("") == 0xe3b0_c442)
  }

  @Test func shardsAreAboutEqual() throws {
    for index in 1...4 {
      let shard = try #require(Shard(index, of: 4))
      #expect((200...300).contains(paths.count { shard.contains($0) }))
    }
  }

  @Test func anIndexOutsideOfTheCountIsNoShard() {
    #expect(Shard(0, of: 4) == nil && Shard(5, of: 4) == nil && Shard(1, of: 0) == nil)
  }

  private func slurm(_ id: Int, _ first: Int, _ last: Int, _ count: Int) throws -> Shard {
    try Shard.slurm([
      "SLURM_ARRAY_TASK_ID": "\(id)", "SLURM_ARRAY_TASK_MIN": "\(first)",
      "SLURM_ARRAY_TASK_MAX": "\(last)", "SLURM_ARRAY_TASK_COUNT": "\(count)",
    ])
  }

  @Test func slurmCountsTasksFromAnyNumberInAnyStep() throws {
    #expect(try slurm(0, 0, 3, 4) == Shard(1, of: 4))
    #expect(try slurm(4, 1, 4, 4) == Shard(4, of: 4))
    #expect(try slurm(6, 2, 10, 5) == Shard(3, of: 5))
    #expect(try slurm(7, 7, 7, 1) == Shard(1, of: 1))
  }

  @Test func anUnevenArrayAndAMissingOneAreUsageErrors() {
    // --array=1-3,6 and, seen by the task that is out of step, --array=1,3,4,7
    #expect(throws: RunFailure.self) { try slurm(1, 1, 6, 4) }
    #expect(throws: RunFailure.self) { try slurm(4, 1, 7, 4) }
    let failure = #expect(throws: RunFailure.self) { try Shard.slurm([:]) }
    #expect(failure?.kind == .usage && failure?.message.contains("SLURM_ARRAY_TASK_ID") == true)
  }
}
