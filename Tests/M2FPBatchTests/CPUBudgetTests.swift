import Foundation
import M2FPFiles
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct CPUBudgetTests {
  @Test func theProcessHasAtLeastOneCPU() {
    #expect(CPUBudget.current().usable >= 1)
  }

  @Test func version2TakesTheTightestQuotaOnTheWayUp() throws {
    let root = try TemporaryFolder()
    try root.write("a/cpu.max", "250000 100000\n".utf8)
    try root.write("a/b/cpu.max", "max 100000\n".utf8)
    #expect(CPUBudget.quota(.init(membership: "0::/a/b\n", root: root.path)) == 2.5)
  }

  @Test func version2InAContainerSeesItsGroupAtTheRoot() throws {
    let root = try TemporaryFolder()
    try root.write("cpu.max", "50000 100000\n".utf8)
    #expect(CPUBudget.quota(.init(membership: "0::/\n", root: root.path)) == 0.5)
    #expect(CPUBudget(allowed: 8, quota: 0.5).usable == 1)
  }

  @Test func version1ReadsQuotaAndPeriod() throws {
    let root = try TemporaryFolder()
    try root.write("cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n".utf8)
    try root.write("cpu,cpuacct/job/cpu.cfs_period_us", "100000\n".utf8)
    let membership = "5:memory:/job\n4:cpu,cpuacct:/job\n"
    #expect(CPUBudget.quota(.init(membership: membership, root: root.path)) == 1.5)
  }

  @Test func version1WithoutAQuotaIsMinusOne() throws {
    let root = try TemporaryFolder()
    try root.write("cpu/cpu.cfs_quota_us", "-1\n".utf8)
    try root.write("cpu/cpu.cfs_period_us", "100000\n".utf8)
    #expect(CPUBudget.quota(.init(membership: "4:cpu:/\n", root: root.path)) == nil)
  }
}
