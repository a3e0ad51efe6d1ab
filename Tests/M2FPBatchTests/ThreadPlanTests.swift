import Testing

@testable import M2FPBatch

struct ThreadPlanTests {
  @Test(arguments: [
    // jobs, threads, files, CPUs → jobs, threads
    (nil, nil, 100, 4.0, 4, 1), (nil, nil, 1, 4.0, 1, 4), (nil, nil, 3, 4.0, 3, 1),
    (nil, nil, 0, 4.0, 1, 4), (2, nil, 100, 4.0, 2, 2), (nil, 2, 100, 4.0, 2, 2),
    (8, nil, 100, 4.0, 8, 1), (3, 5, 100, 4.0, 3, 5), (nil, nil, 100, 1.2, 2, 1),
  ])
  func thePlanSharesOutTheCPUs(
    _ row: (jobs: Int?, threads: Int?, files: Int, cpus: Double, planned: Int, each: Int)
  ) {
    let plan = ThreadPlan(
      jobs: row.jobs, threads: row.threads, files: row.files,
      budget: CPUBudget(allowed: 64, quota: row.cpus))
    #expect(plan.jobs == row.planned)
    #expect(plan.threads == row.each)
  }

  @Test(arguments: [
    // jobs, threads, CPUs of the nodes → CPUs of the workers
    (4, 1, [[0, 1], [2, 3]], [[0], [2], [1], [3]]),
    (3, 2, [[0, 1, 2, 3], [4, 5, 6, 7]], [[0, 1], [4, 5], [2, 3]]),
    // What is left of two nodes.
    (3, 2, [[0, 1, 2], [3, 4, 5]], [[0, 1], [3, 4], [2, 5]]),
    // More threads than CPUs.
    (3, 1, [[0, 1]], [[0], [1], [0]]),
    (2, 2, [[0, 1, 2]], [[0, 1], [2, 0]]),
    (1, 4, [[0, 1]], [[0, 1]]),
  ])
  func pinnedWorkersSpreadOverTheNodes(
    _ row: (jobs: Int, threads: Int, nodes: [[Int]], cpus: [[Int]])
  ) {
    var plan = ThreadPlan(
      jobs: row.jobs, threads: row.threads, files: .max, budget: CPUBudget(allowed: 8, quota: nil))
    #expect(plan.cpus == nil)
    plan.pin(to: CPUTopology(nodes: row.nodes))
    #expect(plan.cpus == row.cpus)
  }
}
