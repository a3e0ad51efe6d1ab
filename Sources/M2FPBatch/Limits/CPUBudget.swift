import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults

/// The CPUs that this process may really use.
public struct CPUBudget: Sendable, Equatable {
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
  public static func current() -> CPUBudget {
    let cpus = CPUTopology.allowed(status: Cgroups.read("/proc/self/status") ?? "")
    let allowed = cpus.isEmpty ? ProcessInfo.processInfo.activeProcessorCount : cpus.count
    return CPUBudget(allowed: allowed, quota: quota(.current()))
  }

  /// CPUs' worth of time that the control groups grant; nil if they set no limit.
  static func quota(_ groups: Cgroups) -> Double? {
    groups.tightest("cpu") { folder, version in
      switch version {
      case .one:
        guard let quota = Cgroups.read(folder + "/cpu.cfs_quota_us"),
          let period = Cgroups.read(folder + "/cpu.cfs_period_us")
        else { return nil }
        return ratio(quota, period)
      case .two:
        // "quota period" in microseconds, or "max period".
        let fields = Cgroups.read(folder + "/cpu.max")?.split(separator: " ") ?? []
        guard fields.count == 2 else { return nil }
        return ratio(String(fields[0]), String(fields[1]))
      }
    }
  }

  private static func ratio(_ quota: String, _ period: String) -> Double? {
    guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0 else {
      return nil
    }
    return quota / period
  }
}
