import M2FPCore

/// The CPUs that this process may use, by the memory that is near to them.
public struct CPUTopology: Sendable, Equatable {
  /// Numbers of CPUs, of each NUMA node that has some: first one of each core, then the cores' second
  /// hardware threads, and so on.
  public let nodes: [[Int]]

  init(nodes: [[Int]]) { self.nodes = nodes }

  /// Reads it from the kernel.
  public static func current() -> CPUTopology {
    CPUTopology(
      status: Cgroups.read("/proc/self/status") ?? "", system: "/sys/devices/system")
  }

  /// - Parameters:
  ///   - status: The text of `/proc/self/status`.
  ///   - system: A folder with `node` and `cpu` as in `/sys/devices/system`. Without `node` there is
  ///     one node, without `cpu` each CPU is a core.
  init(status: String, system: String) {
    let allowed = Self.allowed(status: status)
    func numbers(_ path: String) -> [Int] { Self.numbers(Cgroups.read(system + path) ?? "") }

    let rank = Dictionary(
      uniqueKeysWithValues: allowed.map { cpu in
        (cpu, numbers("/cpu/cpu\(cpu)/topology/thread_siblings_list").firstIndex(of: cpu) ?? 0)
      })
    var nodes = numbers("/node/online").map { numbers("/node/node\($0)/cpulist") }
    // CPUs that no node names would be lost.
    if !Set(nodes.joined()).isSuperset(of: allowed) { nodes = [allowed] }
    self.nodes = nodes.map { node in
      node.filter { rank[$0] != nil }.sorted { (rank[$0] ?? 0, $0) < (rank[$1] ?? 0, $1) }
    }.filter { !$0.isEmpty }
  }

  /// The CPUs in the affinity mask, by `/proc/self/status`; none where it does not say.
  static func allowed(status: String) -> [Int] {
    let name = "Cpus_allowed_list:"
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
    return numbers(String(line?.dropFirst(name.count) ?? ""))
  }

  /// The numbers of a list as the kernel writes them: `0-3,8`.
  static func numbers(_ text: String) -> [Int] {
    text.trimmed.split(separator: ",").flatMap { range -> [Int] in
      let ends = range.split(separator: "-").compactMap { Int($0.trimmed) }
      guard let first = ends.first, let last = ends.last, first <= last else { return [] }
      return Array(first...last)
    }
  }
}
