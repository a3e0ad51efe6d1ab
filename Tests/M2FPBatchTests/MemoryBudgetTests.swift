import Foundation
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct MemoryBudgetTests {
  private func holds(
    _ usable: (bytes: Int, limit: MemoryBudget.Limit), _ bytes: Int, _ limit: MemoryBudget.Limit
  ) -> Bool { usable.bytes == bytes && usable.limit == limit }

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
    let budget = MemoryBudget(machine: 256 << 20, group: 512 << 20)
    #expect(holds(budget.usable(threads: 1), 256 << 20, .machine))
  }

  @Test func withoutALimitTheMachineDecides() throws {
    let root = try TemporaryFolder()
    try root.write("memory.max", "max\n".utf8)
    #expect(MemoryBudget.limit(.init(membership: "0::/\n", root: root.path)) == nil)
    #expect(MemoryBudget.current().machine > 256 << 20)
  }

  @Test func issue17LimitsOfTheProcessCount() {
    let (machine, gibibyte) = (8 << 30, 1 << 30)
    let free = MemoryBudget(machine: machine, group: nil)
    #expect(holds(free.usable(threads: 4), machine, .machine))
    #expect(holds(free.usable(threads: 4, ceiling: gibibyte), gibibyte, .machine))
    let data = MemoryBudget(machine: machine, group: nil, data: gibibyte)
    #expect(data.usable(threads: 4).limit == .data && data.usable(threads: 4).bytes < gibibyte)
    #expect(data.usable(threads: 4).bytes < data.usable(threads: 3).bytes)
    #expect(holds(data.usable(threads: 4, ceiling: 1 << 20), 1 << 20, .machine))
    let space = MemoryBudget(
      machine: machine, group: machine, data: 1 << 40, addressSpace: gibibyte)
    #expect(space.usable(threads: 1).limit == .addressSpace)
    #expect(holds(space.usable(threads: 1000), 0, .addressSpace))
  }

  @Test func theProcessKnowsItsOwnMemory() {
    #expect(ProcessMemory.resident() > 1 << 20)
    #expect(ProcessMemory.peak() >= ProcessMemory.resident() / 2)
  }
}
