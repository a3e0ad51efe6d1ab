import CLibZip
import M2FPCore
import SystemPackage

/// Reads records out of model archives, which are ZIP files whose entries lie in one folder.
enum ArchiveRecord {
  enum Failure: Error, Equatable {
    /// Not a ZIP file, damaged, or the record is larger than the limit; one line for people.
    case unreadable(String)
    case missing
  }

  /// Far beyond any contract, far below what hurts.
  static let sizeLimit = 1 << 20

  /// The record `name` of the archive in an open file.
  static func read(_ name: String, of file: FileDescriptor) throws(Failure) -> [UInt8] {
    // By a descriptor of its own, whose place is its own.
    try read(name) { zip_source_file_create("/proc/self/fd/\(file.rawValue)", 0, 0, $0) }
  }

  /// The record `name` of the archive in `bytes`.
  static func read(_ name: String, of bytes: UnsafeRawBufferPointer) throws(Failure) -> [UInt8] {
    try read(name) { zip_source_buffer_create(bytes.baseAddress, UInt64(bytes.count), 0, $0) }
  }

  private static func read(
    _ name: String, source: (UnsafeMutablePointer<zip_error_t>) -> OpaquePointer?
  ) throws(Failure) -> [UInt8] {
    var error = zip_error_t()
    zip_error_init(&error)
    defer { zip_error_fini(&error) }
    guard let source = source(&error) else { throw .unreadable(message(&error)) }
    guard let archive = zip_open_from_source(source, ZIP_RDONLY, &error) else {
      defer { zip_source_free(source) }
      throw .unreadable(message(&error))
    }
    defer { zip_discard(archive) }
    // As torch does it: the first entry names the folder.
    guard let first = zip_get_name(archive, 0, zip_flags_t(ZIP_FL_ENC_RAW)) else { throw .missing }
    let folder = String(cString: first).prefix { $0 != "/" }
    let index = zip_name_locate(archive, "\(folder)/\(name)", zip_flags_t(ZIP_FL_ENC_RAW))
    guard index >= 0 else { throw .missing }
    guard let file = zip_fopen_index(archive, UInt64(index), 0) else {
      throw .unreadable(message(zip_get_error(archive)))
    }
    defer { zip_fclose(file) }
    // What the directory says of the size is not to be trusted; at the end libzip checks the sum.
    var record = [UInt8](repeating: 0, count: sizeLimit + 1)
    var count = 0
    while count < record.count {
      let read = record[count...].withUnsafeMutableBytes {
        zip_fread(file, $0.baseAddress, UInt64($0.count))
      }
      guard read >= 0 else { throw .unreadable(message(zip_file_get_error(file))) }
      if read == 0 { break }
      count += Int(read)
    }
    guard count <= sizeLimit else { throw .unreadable("\(name) is larger than 1 MiB") }
    record.removeSubrange(count...)
    return record
  }

  private static func message(_ error: UnsafeMutablePointer<zip_error_t>) -> String {
    String(cString: zip_error_strerror(error))
  }
}
