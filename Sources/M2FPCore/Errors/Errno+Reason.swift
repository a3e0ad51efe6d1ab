import FoundationEssentials
import Glibc
import SystemPackage

extension Errno {
  /// Why the system refused, in words that stand after "cannot …:"; for all that is read and written.
  package var reason: String {
    switch self {
    case .noSuchFileOrDirectory: "no such file or folder"
    case .permissionDenied: "permission denied"
    case .notPermitted: "the file system or its attributes do not permit it"
    case .isDirectory: "it is a folder"
    case .notDirectory: "a part of the path is a file, not a folder"
    case .fileExists: "something of that name is there already"
    case .directoryNotEmpty: "the folder is not empty"
    case .fileNameTooLong: "the name is longer than the file system allows"
    case .tooManySymbolicLinkLevels: "a loop of symbolic links, or a link where none is followed"
    case .tooManyOpenFiles: "this process has as many files open as it may"
    case .tooManyOpenFilesInSystem: "the machine has as many files open as it can"
    case .readOnlyFileSystem: "the file system is read-only"
    case .noSpace: "no space left on the disk"
    case .diskQuotaExceeded: "the user's quota of the disk is used up"
    case .fileTooLarge: "larger than the file system or the process's limit allows"
    case .ioError: "input/output error of the disk or of the connection to it"
    case .staleNFSFileHandle: "the file server no longer knows it (stale NFS handle)"
    case .brokenPipe: "the reader has closed the pipe"
    case .noMemory: "not enough memory"
    case .textFileBusy: "it is a program that runs"
    case .resourceTemporarilyUnavailable: "it is in use"
    default: description
    }
  }

  /// Whether it is the folder of a file that refuses, whatever the file's name.
  var isAboutFolder: Bool {
    switch self {
    case .permissionDenied, .readOnlyFileSystem, .noSuchFileOrDirectory, .notDirectory: true
    default: false
    }
  }
}

extension Errno {
  /// The system's last refusal on this thread.
  package static var last: Errno { Errno(rawValue: errno) }

  /// The refusal behind an error of Foundation's file functions; `ioError` where it names none.
  package init(_ error: any Error) {
    if let error = error as? Errno {
      self = error
      return
    }
    let posix = error as? POSIXError ?? (error as? CocoaError)?.underlying as? POSIXError
    self = posix.map { Errno(rawValue: $0.code.rawValue) } ?? .ioError
  }
}
