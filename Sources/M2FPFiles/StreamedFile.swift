import Glibc
import M2FPCore
import SystemPackage

/// File that is written bit by bit under a temporary name and appears whole, or not at all.
package final class StreamedFile {
  private let path: FilePath
  private let folder: OpenFolder
  private let name: FilePath.Component
  private let temporary: FilePath.Component
  private let descriptor: FileDescriptor
  private var buffer: [UInt8] = []
  private var isCommitted = false

  private static let bufferSize = 1 << 20

  /// - Parameter path: Where the file will be; its folder is made if need be.
  /// - Throws: ``FileFailure`` of stage `write`.
  package convenience init(_ path: FilePath) throws(FileFailure) {
    guard let name = path.lastComponent else { throw AtomicFiles.failure(.isDirectory, path) }
    try AtomicFiles.makeFolder(path.folder)
    let folder: OpenFolder
    do throws(Errno) {
      folder = try OpenFolder(path.folder)
    } catch {
      throw AtomicFiles.failure(error, path)
    }
    try self.init(name, in: folder, path: path)
  }

  /// - Parameters:
  ///   - name: What the file will be called.
  ///   - folder: Where it will be.
  ///   - path: What it is called in messages.
  /// - Throws: ``FileFailure`` of stage `write`.
  init(
    _ name: FilePath.Component, in folder: OpenFolder, path: FilePath
  ) throws(FileFailure) {
    self.path = path
    self.name = name
    self.folder = folder
    (descriptor, temporary) = try AtomicFiles.create(in: folder)
    buffer.reserveCapacity(Self.bufferSize)
  }

  deinit {
    if !isCommitted { folder.remove(temporary) }
    try? descriptor.close()
  }

  /// Takes from the file what those of whom it tells do not give; before it is told of them.
  package func restrict(to access: FileAccess) { access.restrict(descriptor, keepingGroup: true) }

  package func write(_ text: String) throws(FileFailure) {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Appends what another file has been given so far.
  package func append(_ other: StreamedFile) throws(FileFailure) {
    try other.flush()
    try flush()
    var block = [UInt8](repeating: 0, count: Self.bufferSize)
    do {
      try other.descriptor.seek(offset: 0, from: .start)
      while case let count = try block.withUnsafeMutableBytes({
        try other.descriptor.read(into: $0)
      }), count > 0 {
        try descriptor.writeAll(block[..<count])
      }
    } catch {
      throw failure(error)
    }
  }

  /// Gives the file its name.
  package func commit() throws(FileFailure) {
    try flush()
    guard fsync(descriptor.rawValue) == 0 else { throw failure(Errno(rawValue: errno)) }
    do throws(Errno) {
      try folder.rename(temporary, to: name, in: folder)
    } catch {
      throw failure(error)
    }
    isCommitted = true
  }

  private func flush() throws(FileFailure) {
    do {
      try descriptor.writeAll(buffer)
    } catch {
      throw failure(error)
    }
    buffer.removeAll(keepingCapacity: true)
  }

  private func failure(_ error: any Error) -> FileFailure {
    AtomicFiles.failure(error as? Errno ?? .ioError, path)
  }
}
