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
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let allowed = affinity(status: status) ?? ProcessInfo.processInfo.activeProcessorCount
    return CPUBudget(allowed: allowed, quota: quota(.current()))
  }

  /// The number of CPUs in the affinity mask: the bits of `Cpus_allowed` in `/proc/self/status`.
  static func affinity(status: String) -> Int? {
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
    else { return nil }
    let bits = line.dropFirst("Cpus_allowed:".count)
      .reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
    return bits > 0 ? bits : nil
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
