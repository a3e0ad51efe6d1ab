import TestSupport
import Testing

@testable import M2FPBatch

struct CPUTopologyTests {
  /// Two sockets of four cores with two hardware threads each, numbered as Linux does on such machines.
  private func twoSockets() throws -> TemporaryFolder {
    let system = try TemporaryFolder()
    try system.write("node/online", "0-1\n".utf8)
    try system.write("node/node0/cpulist", "0-3,8-11\n".utf8)
    try system.write("node/node1/cpulist", "4-7,12-15\n".utf8)
    for cpu in 0..<16 {
      try system.write(
        "cpu/cpu\(cpu)/topology/thread_siblings_list", "\(cpu % 8),\(cpu % 8 + 8)\n".utf8)
    }
    return system
  }

  private func topology(_ allowed: String, _ system: TemporaryFolder) -> CPUTopology {
    CPUTopology(status: "Name:\tm2fp\nCpus_allowed_list:\t\(allowed)\n", system: system.path)
  }

  @Test func coresComeBeforeTheirSecondThreads() throws {
    let system = try twoSockets()
    #expect(
      topology("0-15", system).nodes == [
        [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15],
      ])
    #expect(topology("9,1-2,12", system).nodes == [[1, 2, 9], [12]])
    #expect(topology("4-5", system).nodes == [[4, 5]])
  }

  @Test func withoutNodesThereIsOne() throws {
    let system = try TemporaryFolder()
    #expect(topology("0-2", system).nodes == [[0, 1, 2]])
    // One that names too few CPUs is not believed.
    try system.write("node/online", "0\n".utf8)
    try system.write("node/node0/cpulist", "0-1\n".utf8)
    #expect(topology("0-2", system).nodes == [[0, 1, 2]])
  }

  @Test(arguments: [
    ("0-3,8\n", [0, 1, 2, 3, 8]), ("7", [7]), ("", []), ("3-1,x,2-", [2]), (" 1 - 2 ", [1, 2]),
  ])
  func listsAreReadAsTheKernelWritesThem(text: String, numbers: [Int]) {
    #expect(CPUTopology.numbers(text) == numbers)
  }

  @Test func theAffinityMaskIsRead() {
    let status = "Name:\tx\nCpus_allowed:\tff,0000000f\nCpus_allowed_list:\t0-3,32-39\n"
    #expect(CPUTopology.allowed(status: status) == Array(0...3) + Array(32...39))
    #expect(CPUTopology.allowed(status: "Cpus_allowed:\tf\n").isEmpty)
  }

  @Test func thisMachineHasTheCPUsOfTheBudget() {
    #expect(CPUTopology.current().nodes.joined().count == CPUBudget.current().allowed)
  }
}
