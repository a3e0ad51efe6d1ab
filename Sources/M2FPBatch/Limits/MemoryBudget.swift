import FoundationEssentials
import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults

/// The memory that this process may use, in bytes.
public struct MemoryBudget: Sendable, Equatable {
  /// What sets a limit.
  public enum Limit: Sendable, Equatable {
    case machine, controlGroup
    /// RLIMIT_DATA.
    case data
    /// RLIMIT_AS.
    case addressSpace
  }

  /// What the machine has.
  public let machine: Int
  /// What the control groups grant, if they set a limit.
  public let group: Int?
  /// What the process may map privately, to write, if that is limited.
  public let data: Int?
  /// What it may map at all, if that is limited.
  public let addressSpace: Int?

  // Measured, as the figures of `MemoryEstimate` are: what is mapped beyond what is held. Libraries
  // and their tables, then stacks and the allocator's arenas.
  private static let mappedData = 130 << 20
  private static let dataOfThread = 24 << 20
  private static let mapped = 590 << 20
  private static let mappedOfThread = 80 << 20

  public init(machine: Int, group: Int?, data: Int? = nil, addressSpace: Int? = nil) {
    self.machine = machine
    self.group = group
    self.data = data
    self.addressSpace = addressSpace
  }

  /// Reads the machine's memory, and the control groups and limits of this process.
  public static func current() -> MemoryBudget {
    MemoryBudget(
      machine: Int(clamping: ProcessInfo.processInfo.physicalMemory), group: limit(.current()),
      data: processLimit(RLIMIT_DATA), addressSpace: processLimit(RLIMIT_AS))
  }

  private static func processLimit(_ resource: __rlimit_resource) -> Int? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0,
      limit.rlim_cur != rlim_t.max
    else { return nil }
    return Int(clamping: limit.rlim_cur)
  }

  /// What a run may hold.
  ///
  /// - Parameters:
  ///   - threads: How many it has.
  ///   - ceiling: What it may hold at most, in place of what the machine and the control groups have.
  /// - Returns: The bytes, and what limits them.
  public func usable(threads: Int, ceiling: Int? = nil) -> (bytes: Int, limit: Limit) {
    var limits: [(bytes: Int, limit: Limit)] = [(ceiling ?? machine, .machine)]
    if ceiling == nil, let group { limits.append((group, .controlGroup)) }
    if let data {
      limits.append((max(0, data - Self.mappedData - threads * Self.dataOfThread), .data))
    }
    if let addressSpace {
      let mapped = Self.mapped + threads * Self.mappedOfThread
      limits.append((max(0, addressSpace - mapped), .addressSpace))
    }
    return limits.min { $0.bytes < $1.bytes } ?? limits[0]
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

extension WeightedSemaphore {
  /// The bytes that this process may hold beyond what it holds now.
  ///
  /// - Parameters:
  ///   - threads: How many threads it will have.
  ///   - ceiling: What it may hold at most, in place of what the machine and the control groups have.
  /// - Returns: That, to be shared out.
  package static func memory(threads: Int, ceiling: Int? = nil) -> WeightedSemaphore {
    let usable = MemoryBudget.current().usable(threads: threads, ceiling: ceiling)
    return WeightedSemaphore(capacity: usable.bytes - ProcessMemory.resident())
  }
}
