import Foundation
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct MemoryBudgetTests {
  @Test func version2TakesTheTightestLimitOnTheWayUp() throws {
    let root = try TemporaryFolder()
    try root.write("a/memory.max", "1073741824\n".utf8)
    try root.write("a/b/memory.max", "max\n".utf8)
    #expect(MemoryBudget.limit(.init(membership: "0::/a/b\n", root: root.path)) == 1 << 30)
  }

  @Test func version1ReadsItsOwnFile() throws {
    let root = try TemporaryFolder()
    try root.write("memory/job/memory.limit_in_bytes", "536870912\n".utf8)
    try root.write("memory/memory.limit_in_bytes", "9223372036854771712\n".utf8)
    let groups = Cgroups(membership: "5:memory:/job\n4:cpu:/job\n", root: root.path)
    #expect(MemoryBudget.limit(groups) == 512 << 20)
    #expect(MemoryBudget(machine: 256 << 20, group: 512 << 20).usable == 256 << 20)
  }

  @Test func withoutALimitTheMachineDecides() throws {
    let root = try TemporaryFolder()
    try root.write("memory.max", "max\n".utf8)
    #expect(MemoryBudget.limit(.init(membership: "0::/\n", root: root.path)) == nil)
    #expect(MemoryBudget.current().machine > 256 << 20)
  }

  @Test func theProcessKnowsItsOwnMemory() {
    #expect(ProcessMemory.resident() > 1 << 20)
    #expect(ProcessMemory.peak() >= ProcessMemory.resident() / 2)
  }
}
