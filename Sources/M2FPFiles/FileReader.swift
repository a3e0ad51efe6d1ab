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
  package static func read(_ path: String, limit: Int) throws(FileFailure) -> Contents {
    let file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
    guard file >= 0 else { throw failure(errno) }
    defer { close(file) }
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
  package static func bytes(of file: Int32) throws(FileFailure) -> [UInt8] {
    try bytes(of: file, size: stamp(of: file).size)
  }

  private static func bytes(of file: Int32, size: Int) throws(FileFailure) -> [UInt8] {
    var readError: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < buffer.count {
        let got = Foundation.read(file, buffer.baseAddress.map { $0 + count }, buffer.count - count)
        if got < 0 && errno == EINTR { continue }
        if got < 0 { readError = errno }
        if got <= 0 { break }
        count += got
      }
    }
    if readError != 0 { throw failure(readError) }
    return bytes
  }

  private static func stamp(of file: Int32) throws(FileFailure) -> FileStamp {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw failure(errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileFailure(stage: .read, code: .notAFile, message: "is not a regular file")
    }
    return FileStamp(status)
  }

  private static func failure(_ code: Int32) -> FileFailure {
    .reading(Errno(rawValue: code))
  }
}
