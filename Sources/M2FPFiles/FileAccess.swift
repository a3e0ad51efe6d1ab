import Glibc
import SystemPackage

/// Who may read and write a file.
package struct FileAccess: Sendable, Equatable {
  /// Permissions, less what the process masks out.
  package let mode: mode_t
  /// The group that they are for; nil for whichever a new file gets.
  private let group: gid_t?

  /// As a new file has them.
  package static let standard = FileAccess(mode: 0o666, group: nil)

  /// For the process's own user alone.
  package static let owner = FileAccess(mode: 0o600, group: nil)

  private init(mode: mode_t, group: gid_t?) {
    self.mode = mode
    self.group = group
  }

  /// For what is derived from a file: nobody may read it who may not read that.
  package init(like status: stat) {
    // A temporary file must be ours to open again.
    self.init(mode: status.st_mode & 0o666 | 0o600, group: status.st_gid)
  }

  /// As ``init(like:)``, of what lies at a path; nil if nothing does.
  package init?(path: FilePath) {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
    self.init(like: status)
  }

  /// Whether somebody may read or write by this who may not by `other`.
  package func exceeds(_ other: FileAccess) -> Bool {
    let given =
      group == other.group ? other.mode : other.mode & 0o007 | (other.mode & 0o007) << 3
    return mode & 0o066 & ~given != 0
  }

  /// For a folder of such files: who may read them may look into it.
  package var folderMode: mode_t { mode | (mode & 0o444) >> 2 }

  /// Takes from a file or folder that is there what this does not give. A file that has other names
  /// stays as it is: it may be another user's.
  ///
  /// - Parameters:
  ///   - file: The open file or folder.
  ///   - keepingGroup: Whether it keeps its group, as what is derived from several files does.
  package func restrict(_ file: FileDescriptor, keepingGroup: Bool = false) {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else { return }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    guard isFolder || status.st_mode & S_IFMT == S_IFREG && status.st_nlink == 1,
      FileAccess(like: status).exceeds(self)
    else { return }
    _ = fchmod(file.rawValue, status.st_mode & (0o7700 | (isFolder ? folderMode : mode)))
    confine(file, keepingGroup: keepingGroup)
  }

  /// Takes the permissions for the group from a file whose group is another, and cannot be changed
  /// to be that.
  func confine(_ file: FileDescriptor, keepingGroup: Bool = false) {
    guard let group, mode & 0o070 != (mode & 0o007) << 3 else { return }
    var status = stat()
    guard fstat(file.rawValue, &status) == 0, status.st_gid != group else { return }
    if !keepingGroup, fchown(file.rawValue, uid_t.max, group) == 0 { return }
    _ = fchmod(file.rawValue, status.st_mode & 0o707 | (status.st_mode & 0o007) << 3)
  }
}
