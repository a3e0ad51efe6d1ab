import ArgumentParser
import M2FPCore
import M2FPFiles
import SystemPackage

/// A small file that an option names, and that is read before anything else is done.
enum OptionFile {
  /// Bytes, far beyond any palette, table or configuration.
  static let sizeLimit = 1 << 24

  /// Reads a file, or what comes out of a pipe.
  ///
  /// - Parameters:
  ///   - name: What was typed.
  ///   - option: The option, for messages.
  ///   - limit: How many bytes it may have.
  ///   - hint: What to say where there is no such file.
  /// - Returns: All of it.
  /// - Throws: `ValidationError`.
  static func read(
    _ name: String, option: String, limit: Int = sizeLimit, hint: () -> String
  ) throws -> [UInt8] {
    do throws(Errno) {
      return try read(name, limit: limit)
    } catch {
      throw ValidationError(
        "\(option) \(name): "
          + (error == .noSuchFileOrDirectory ? hint() : "cannot be read: \(error.reason)."))
    }
  }

  /// - Throws: `Errno`; `fileTooLarge` where it has more than `limit` bytes.
  static func read(_ name: String, limit: Int = sizeLimit) throws(Errno) -> [UInt8] {
    guard let path = FilePath(argument: name) else { throw .noSuchFileOrDirectory }
    do {
      let file = try FileDescriptor.open(path, .readOnly, options: .closeOnExec)
      return try file.closeAfter { try FileReader.readToEnd(file, limit: limit) }
    } catch {
      throw Errno(error)
    }
  }
}
