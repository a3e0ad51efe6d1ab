import FoundationEssentials
import M2FPFiles
import M2FPResults

/// What this process holds in memory, in bytes.
public enum ProcessMemory {
  /// Resident now.
  public static func resident() -> Int { read("VmRSS:") }

  /// The most that was ever resident; unlike `ru_maxrss` it does not count what a large parent had
  /// before `exec`.
  public static func peak() -> Int { read("VmHWM:") }

  /// A line of `/proc/self/status`, 0 where there is none.
  private static func read(_ key: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(key) }
    return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
  }
}
