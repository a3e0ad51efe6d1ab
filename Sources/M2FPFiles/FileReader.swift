import Glibc
import M2FPCore
import SystemPackage

/// Reads whole input files, within a limit.
package enum FileReader {
  /// What was read, and what the file looked like then.
  package struct Contents {
    package let bytes: [UInt8]
    package let stamp: FileStamp
    /// Who may read it.
    package let access: FileAccess
  }

  /// Reads the file at `path`.
  ///
  /// Opened without waiting, so that a FIFO put in the file's place cannot block the run.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - limit: Bytes that it may have.
  ///   - rule: Which links on the way to it are followed.
  /// - Returns: What is in it.
  /// - Throws: ``FileFailure`` of stage ``Stage/read``.
  package static func read(
    _ path: FilePath, limit: Int, following rule: LinkRule = .all
  ) throws(FileFailure) -> Contents {
    let file: FileDescriptor
    do throws(Errno) {
      file = try rule.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    } catch {
      throw failure(error)
    }
    defer { try? file.close() }
    let (stamp, status) = try look(at: file, limit: limit)
    let bytes = try bytes(of: file, size: stamp.size)
    guard bytes.count == stamp.size, try stamp == look(at: file).stamp else {
      throw FileFailure(
        stage: .read, code: .unreadable,
        message: "the file changed while it was read: run again when it is complete")
    }
    return Contents(bytes: bytes, stamp: stamp, access: FileAccess(like: status))
  }

  /// The whole of an open file.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/read``.
  package static func bytes(
    of file: FileDescriptor, limit: Int = .max
  ) throws(FileFailure) -> [UInt8] {
    try bytes(of: file, size: look(at: file, limit: limit).stamp.size)
  }

  /// What is known of a regular file that is no larger than a limit.
  private static func look(
    at file: FileDescriptor, limit: Int = .max
  ) throws(FileFailure) -> (stamp: FileStamp, status: stat) {
    var status = stat()
    guard fstat(file.rawValue, &status) == 0 else { throw failure(.last) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileFailure(stage: .read, code: .notAFile, message: "is not a regular file")
    }
    let stamp = FileStamp(status)
    if stamp.size > limit {
      throw FileFailure(
        stage: .read, code: .fileTooLarge,
        message: "the file has \(ByteCount(stamp.size)), more than the limit of "
          + "\(ByteCount(limit))", detail: .overLimit)
    }
    return (stamp, status)
  }

  /// What comes out of an open file, or a pipe, up to its end.
  ///
  /// - Throws: `Errno`; `fileTooLarge` where more comes than `limit` bytes.
  package static func readToEnd(
    _ file: FileDescriptor, limit: Int
  ) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      do {
        let count = try block.withUnsafeMutableBytes { try file.read(into: $0) }
        if count == 0 { return bytes }
        bytes += block[..<count]
      } catch {
        throw Errno(error)
      }
      if bytes.count > limit { throw .fileTooLarge }
    }
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

  private static func failure(_ code: Errno) -> FileFailure {
    .reading(code)
  }
}
