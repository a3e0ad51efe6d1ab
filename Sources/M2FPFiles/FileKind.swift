import Glibc
import M2FPCore
import SystemPackage

/// What tells one file from all others on a machine.
package struct FileIdentity: Hashable {
  package let device: dev_t
  package let inode: ino_t
}

/// What lies at a path, symbolic links followed.
package enum FileKind {
  case file
  case folder(FileIdentity)
  case other(String)
  case danglingLink
  case missing
  case unknown(String)

  package init(_ path: FilePath) {
    var status = stat()
    guard path.withPlatformString({ stat($0, &status) }) == 0 else {
      let code = errno
      if code == ELOOP {
        self = .other("a loop of symbolic links")
      } else if code != ENOENT {
        self = .unknown(Errno(rawValue: code).reason)
      } else {
        self = path.withPlatformString({ lstat($0, &status) }) == 0 ? .danglingLink : .missing
      }
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file
    case S_IFDIR: self = .folder(FileIdentity(device: status.st_dev, inode: status.st_ino))
    case S_IFIFO: self = .other("a FIFO")
    case S_IFSOCK: self = .other("a socket")
    case S_IFCHR, S_IFBLK: self = .other("a device")
    default: self = .other("a special file")
    }
  }
}
