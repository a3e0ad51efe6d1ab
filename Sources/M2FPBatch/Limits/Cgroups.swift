import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults

/// The control groups of a process, of version 1 and 2, with all of their ancestors.
struct Cgroups {
  enum Version {
    case one, two
  }

  /// The text of `/proc/self/cgroup`: `id:controllers:path` a line; version 2 has no controllers.
  let membership: String
  /// Where the control group file systems are mounted.
  let root: String

  /// Those of this process.
  static func current() -> Cgroups {
    Cgroups(membership: read("/proc/self/cgroup") ?? "", root: "/sys/fs/cgroup")
  }

  /// The tightest limit of the groups and of their ancestors.
  ///
  /// - Parameters:
  ///   - controller: Which limits are meant: "cpu", "memory".
  ///   - limit: Reads the limit out of a group's folder; nil if there is none.
  /// - Returns: Nil if no group sets a limit.
  func tightest<Limit: Comparable>(
    _ controller: String, _ limit: (_ folder: String, _ version: Version) -> Limit?
  ) -> Limit? {
    var limits: [Limit] = []
    for line in membership.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let version = fields[1].isEmpty ? Version.two : .one
      guard version == .two || fields[1].split(separator: ",").contains(Substring(controller))
      else { continue }
      var mounts = [root + "/" + controller, root + "/" + fields[1]]
      if version == .two { mounts = [root, root + "/unified"] }
      // Inside a container the path is often not visible below the mount; its root then is ours.
      var path = fields[2].split(separator: "/")[...]
      while true {
        for mount in mounts {
          let folder = ([mount] + path.map(String.init)).joined(separator: "/")
          if let limit = limit(folder, version) { limits.append(limit) }
        }
        if path.popLast() == nil { break }
      }
    }
    return limits.min()
  }

  /// The text of a file of one line; nil if it cannot be read.
  static func read(_ path: String) -> String? {
    (try? String(contentsOfFile: path, encoding: .utf8))?.trimmed
  }
}
