import Foundation
import M2FPCore
import SystemPackage

/// Reads whole input files, within a limit.
package enum FileReader {
  /// What was read, and what the file looked like then.
  package struct Contents {
    package let bytes: [UInt8]
    package let stamp: FileStamp
  }

  /// Reads the file at `path`.
  ///
  /// Opened without waiting, so that a FIFO put in the file's place cannot block the run.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/read``.
  package static func read(_ path: FilePath, limit: Int) throws(FileFailure) -> Contents {
    let file: FileDescriptor
    do {
      file = try FileDescriptor.open(
        path, .readOnly,
        options: [.nonBlocking, .closeOnExec, FileDescriptor.OpenOptions(rawValue: O_NOCTTY)])
    } catch {
      throw failure(error as? Errno ?? .ioError)
    }
    defer { try? file.close() }
    let stamp = try stamp(of: file)
    if stamp.size > limit {
      throw FileFailure(
        stage: .read, code: .fileTooLarge,
        message: "the file has \(ByteCount(stamp.size)), more than the limit of "
          + "\(ByteCount(limit))", detail: .overLimit)
    }
    let bytes = try bytes(of: file, size: stamp.size)
    guard bytes.count == stamp.size, try stamp == self.stamp(of: file) else {
      throw FileFailure(
        stage: .read, code: .unreadable,
        message: "the file changed while it was read: run again when it is complete")
    }
    return Contents(bytes: bytes, stamp: stamp)
  }

  /// The whole of an open file.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/read``.
  package static func bytes(of file: FileDescriptor) throws(FileFailure) -> [UInt8] {
    try bytes(of: file, size: stamp(of: file).size)
  }

  private static func bytes(of file: FileDescriptor, size: Int) throws(FileFailure) -> [UInt8] {
    var readError: Errno?
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < buffer.count {
        do {
          let got = try file.read(
            into: UnsafeMutableRawBufferPointer(
              UnsafeMutableBufferPointer(rebasing: buffer[count...])))
          if got == 0 { break }
          count += got
        } catch {
          readError = error as? Errno ?? .ioError
          break
        }
      }
    }
    if let readError { throw failure(readError) }
    return bytes
  }

  private static func stamp(of file: FileDescriptor) throws(FileFailure) -> FileStamp {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else { throw failure(Errno(rawValue: errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileFailure(stage: .read, code: .notAFile, message: "is not a regular file")
    }
    return FileStamp(status)
  }

  private static func failure(_ code: Errno) -> FileFailure {
    .reading(code)
  }
}
