import Glibc
import SystemPackage

/// Size and modification time of a file.
package struct FileStamp: Equatable {
  package let size: Int
  package let modified: timespec

  package init(_ status: stat) {
    size = Int(status.st_size)
    modified = status.st_mtim
  }

  /// The stamp of an open file; nil if it is no regular one.
  package init?(regularFile file: FileDescriptor) {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    self.init(status)
  }

  /// The stamp of the file at `path`, links followed; nil if there is none.
  package init?(path: FilePath) {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else { return nil }
    self.init(status)
  }

  package static func == (one: FileStamp, other: FileStamp) -> Bool {
    one.size == other.size && one.modified == other.modified
  }
}

extension timespec {
  package static func == (one: timespec, other: timespec) -> Bool {
    one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec
  }
}
