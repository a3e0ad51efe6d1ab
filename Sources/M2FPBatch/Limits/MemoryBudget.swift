import Foundation
import M2FPFiles
import M2FPResults

/// The memory that this process may use, in bytes.
public struct MemoryBudget: Sendable, Equatable {
  /// What the machine has.
  public let machine: Int
  /// What the control groups grant, if they set a limit.
  public let group: Int?

  /// The tighter of the two.
  public var usable: Int { min(machine, group ?? machine) }

  public init(machine: Int, group: Int?) {
    self.machine = machine
    self.group = group
  }

  /// Reads the machine's memory and the control groups of this process.
  public static func current() -> MemoryBudget {
    MemoryBudget(
      machine: Int(clamping: ProcessInfo.processInfo.physicalMemory), group: limit(.current()))
  }

  /// What the control groups grant; nil if they set no limit.
  static func limit(_ groups: Cgroups) -> Int? {
    groups.tightest("memory") { folder, version in
      // Without a limit it says "max", or in version 1 more than any machine has.
      let name = version == .two ? "memory.max" : "memory.limit_in_bytes"
      return Cgroups.read(folder + "/" + name).flatMap { Int($0) }
    }
  }
}
