import Foundation

/// Size and modification time of a file.
package struct FileStamp: Equatable {
  package let size: Int
  package let modified: timespec

  package init(_ status: stat) {
    size = Int(status.st_size)
    modified = status.st_mtim
  }

  /// The stamp of the file at `path`, links followed; nil if there is none.
  package init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  package static func == (one: FileStamp, other: FileStamp) -> Bool {
    one.size == other.size && one.modified.tv_sec == other.modified.tv_sec
      && one.modified.tv_nsec == other.modified.tv_nsec
  }
}
