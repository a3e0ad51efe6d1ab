import Foundation

/// The CPUs that this process may really use.
public struct ProcessorBudget: Sendable, Equatable {
  /// CPUs in the affinity mask.
  public let allowed: Int
  /// CPUs' worth of time that the control group grants, if it limits it.
  public let quota: Double?

  /// Whole CPUs to plan with: the affinity mask, cut to the quota rounded up.
  public var usable: Int {
    guard let quota else { return max(1, allowed) }
    return max(1, min(allowed, Int(quota.rounded(.up))))
  }

  public init(allowed: Int, quota: Double?) {
    self.allowed = allowed
    self.quota = quota
  }

  /// Reads the affinity mask and the control groups of this process.
  public static func current() -> ProcessorBudget {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let allowed = affinity(status: status) ?? ProcessInfo.processInfo.activeProcessorCount
    let membership = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    return ProcessorBudget(
      allowed: allowed, quota: quota(membership: membership, root: "/sys/fs/cgroup"))
  }

  /// The number of CPUs in the affinity mask: the bits of `Cpus_allowed` in `/proc/self/status`.
  static func affinity(status: String) -> Int? {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
    else { return nil }
    let bits = line.dropFirst("Cpus_allowed:".count)
      .reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return bits > 0 ? bits : nil
  }

  /// The tightest CPU quota of the groups in `membership` and of their ancestors.
  ///
  /// - Parameters:
  ///   - membership: The text of `/proc/self/cgroup`: `id:controllers:path` a line; version 2 has
  ///     no controllers.
  ///   - root: Where the control group file systems are mounted.
  /// - Returns: CPUs' worth of time, or nil if there is no limit.
  static func quota(membership: String, root: String) -> Double? {
    var quotas: [Double] = []
    for line in membership.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let isVersion2 = fields[1].isEmpty
      guard isVersion2 || fields[1].split(separator: ",").contains("cpu") else { continue }
      var mounts = [root + "/cpu", root + "/" + fields[1]]
      if isVersion2 { mounts = [root, root + "/unified"] }
      // Inside a container the path is often not visible below the mount; its root then is ours.
      var path = fields[2].split(separator: "/")[...]
      while true {
        for mount in mounts {
          let directory = ([mount] + path.map(String.init)).joined(separator: "/")
          if let quota = isVersion2 ? version2(directory) : version1(directory) {
            quotas.append(quota)
          }
        }
        if path.popLast() == nil { break }
      }
    }
    return quotas.min()
  }

  /// `cpu.max`: "quota period" in microseconds, or "max period".
  private static func version2(_ directory: String) -> Double? {
    let fields = read(directory + "/cpu.max")?.split(separator: " ") ?? []
    guard fields.count == 2 else { return nil }
    return ratio(String(fields[0]), String(fields[1]))
  }

  private static func version1(_ directory: String) -> Double? {
    guard let quota = read(directory + "/cpu.cfs_quota_us"),
      let period = read(directory + "/cpu.cfs_period_us")
    else { return nil }
    return ratio(quota, period)
  }

  private static func ratio(_ quota: String, _ period: String) -> Double? {
    guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }

  private static func read(_ path: String) -> String? {
    (try? String(contentsOfFile: path, encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// How the CPUs are shared out: workers, and intra-op threads of each.
public struct ThreadPlan: Sendable, Equatable {
  public let jobs: Int
  public let threads: Int

  /// One worker of one thread.
  public static let single = ThreadPlan(
    jobs: 1, threads: 1, files: 1, budget: ProcessorBudget(allowed: 1, quota: nil))

  /// Fills in what the user left open.
  ///
  /// One thread a worker is the fastest split where there are enough files: no barrier is ever
  /// waited at. Fewer files than CPUs leave threads to each worker.
  public init(jobs: Int?, threads: Int?, files: Int, budget: ProcessorBudget) {
    let cpus = budget.usable
    switch (jobs, threads) {
    case (let jobs?, let threads?): (self.jobs, self.threads) = (jobs, threads)
    case (let jobs?, nil): (self.jobs, self.threads) = (jobs, max(1, cpus / jobs))
    case (nil, let threads?):
      (self.jobs, self.threads) = (max(1, min(files, cpus / threads)), threads)
    case (nil, nil):
      let jobs = max(1, min(files, cpus))
      (self.jobs, self.threads) = (jobs, max(1, cpus / jobs))
    }
  }
}
