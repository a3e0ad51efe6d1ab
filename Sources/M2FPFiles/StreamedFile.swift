import Foundation
import M2FPCore

/// A file that is written bit by bit under a temporary name and appears whole, or not at all.
package final class StreamedFile {
  private let path: String
  private let temporary: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private var isCommitted = false

  private static let bufferSize = 1 << 20

  /// - Parameter path: Where the file will be; its folder is made if need be.
  /// - Throws: ``FileFailure`` of stage `write`.
  package init(_ path: String) throws(FileFailure) {
    self.path = path
    (descriptor, temporary) = try AtomicFiles.create(in: Paths.folder(path))
    buffer.reserveCapacity(Self.bufferSize)
  }

  deinit {
    if !isCommitted { unlink(temporary) }
    close(descriptor)
  }

  package func write(_ text: String) throws(FileFailure) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Appends what another file has been given so far.
  package func append(_ other: StreamedFile) throws(FileFailure) {
    try other.flush()
    try flush()
    guard lseek(other.descriptor, 0, SEEK_SET) == 0 else { throw failure() }
    var block = [UInt8](repeating: 0, count: Self.bufferSize)
    while true {
      let count = block.withUnsafeMutableBytes { read(other.descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw failure() }
      if count == 0 { return }
      buffer.append(contentsOf: block[..<count])
      try flush()
    }
  }

  /// Gives the file its name.
  package func commit() throws(FileFailure) {
    try flush()
    guard fsync(descriptor) == 0, rename(temporary, path) == 0 else { throw failure() }
    isCommitted = true
  }

  private func flush() throws(FileFailure) {
    var rest = buffer[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { throw failure() }
      rest = rest.dropFirst(count)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func failure() -> FileFailure { AtomicFiles.failure(errno, path) }
}
