import SystemPackage

/// Stage of the path of one image: the step in which something happened.
public enum Stage: String, Sendable, Codable, CaseIterable {
  case read, decode, resize, infer, merge, encode, write
}

/// Failure of one file: why it could not be parsed, or written. It never stops a batch.
///
/// Thrown by whatever touches one image: readers and writers of files, decoders and encoders, a
/// session of the network.
public struct FileFailure: Error, Sendable, Equatable {
  /// Stable names, for programs; the message is for people.
  public enum Code: String, Sendable, Codable, CaseIterable {
    /// A path that was named does not exist.
    case missing
    /// The file cannot be opened or read.
    case unreadable
    /// Not a regular file: a FIFO, a device, a socket, a dangling link.
    case notAFile = "not-a-file"
    case empty
    /// More bytes than the caller allows.
    case fileTooLarge = "file-too-large"
    /// More pixels than the caller, or a codec, allows.
    case imageTooLarge = "image-too-large"
    /// The first bytes are those of no format that is read.
    case unknownFormat = "unknown-format"
    /// The library that reads the format is not installed.
    case libraryMissing = "library-missing"
    /// A variant of its format that is not supported.
    case unsupported
    /// Cut short.
    case truncated
    /// Damaged in some other way.
    case corrupt
    /// Another input claims the same output.
    case outputCollision = "output-collision"
    /// An output could not be written.
    case outputNotWritable = "output-not-writable"
    /// The disk, or the user's share of it, is full.
    case diskFull = "disk-full"
    /// Not enough memory for this image.
    case outOfMemory = "out-of-memory"
    /// The network failed on this image.
    case inference
    /// Not done within the time that the caller allows.
    case timeout
    /// A class map that a person has corrected is in the way of what was asked for.
    case edited
  }

  /// What a program that wants to help needs to know beyond the code.
  public enum Detail: Sendable, Equatable {
    /// The caller's own limit was passed: one that can be raised.
    case overLimit
    /// The outputs are those of another input too; whether they would differ if they were named
    /// after the whole file names.
    case sameOutputs(fullNamesDiffer: Bool)
    /// A folder that was found under a name as images have.
    case folderNamedAsImage
    /// An entry of a list holds a zero byte.
    case zeroByte
    /// The library of the system, by its file name, that would have read the file.
    case missingLibrary(String)
    /// No run has left a result that outputs could be made of.
    case notParsed
  }

  public let stage: Stage
  public let code: Code
  /// What failed, in one line without a full stop at its end.
  public let message: String
  public let detail: Detail?
  /// What the system said, where it was the system that refused.
  public let underlying: Errno?

  public init(
    stage: Stage, code: Code, message: String, detail: Detail? = nil, underlying: Errno? = nil
  ) {
    self.stage = stage
    self.code = code
    self.message = message
    self.detail = detail
    self.underlying = underlying
  }
}

extension FileFailure {
  /// A file that the system does not let us read.
  package static func reading(_ error: Errno) -> FileFailure {
    FileFailure(
      stage: .read, code: .unreadable, message: "cannot be read: \(error.reason)",
      underlying: error)
  }

  /// An output that the system does not let us write.
  package static func writing(_ path: FilePath, _ error: Errno) -> FileFailure {
    let folder = path.removingLastComponent()
    return FileFailure(
      stage: .write,
      code: error == .noSpace || error == .diskQuotaExceeded ? .diskFull : .outputNotWritable,
      // Where it is the folder that refuses, the file's name, often a temporary one, says nothing.
      message: error.isAboutFolder
        ? "cannot write in \(folder.isEmpty ? "." : folder): \(error.reason)"
        : "cannot write \(path): \(error.reason)", underlying: error)
  }
}

extension FileFailure: CustomStringConvertible {
  /// "decode failed (truncated): the JPEG is cut short".
  public var description: String { "\(stage.rawValue) failed (\(code.rawValue)): \(message)" }
}
