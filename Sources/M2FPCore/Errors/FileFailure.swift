/// The step of the path of one image in which something happened.
public enum Stage: String, Sendable, Codable, CaseIterable {
  case read, decode, resize, infer, merge, encode, write
}

/// Why one file could not be parsed. It never stops a batch.
public struct FileFailure: Error, Sendable, Equatable {
  /// Stable names for scripts; the message is for people.
  public enum Code: String, Sendable, Codable {
    /// A path the user named does not exist.
    case missing
    /// The file cannot be opened or read.
    case unreadable
    /// Not a regular file: a FIFO, a device, a socket, a dangling link.
    case notAFile = "not-a-file"
    case empty
    /// Larger than `--max-file-size`.
    case fileTooLarge = "file-too-large"
    /// More pixels than `--max-pixels`.
    case imageTooLarge = "image-too-large"
    /// The magic bytes are neither JPEG's nor PNG's.
    case unknownFormat = "unknown-format"
    /// A JPEG or PNG in a variant that is not supported.
    case unsupported
    /// Cut short.
    case truncated
    /// Damaged in some other way.
    case corrupt
    /// Another input claims the same output.
    case outputCollision = "output-collision"
    /// An output could not be written.
    case outputNotWritable = "output-not-writable"
    /// The disk is full.
    case diskFull = "disk-full"
    /// Not enough memory for this image.
    case outOfMemory = "out-of-memory"
    /// The network failed on this image.
    case inference
    /// Not done within `--timeout`.
    case timeout
  }

  public let stage: Stage
  public let code: Code
  /// One line for people: what failed and, where there is one, the remedy.
  public let message: String

  public init(stage: Stage, code: Code, message: String) {
    self.stage = stage
    self.code = code
    self.message = message
  }
}

/// Why a whole run cannot start or go on. The raw value is the process's exit code.
public struct RunFailure: Error, Sendable, Equatable {
  public enum Kind: Int32, Sendable {
    /// A defect of this program.
    case `internal` = 1
    /// Something is asked for that makes no sense.
    case usage = 64
    /// The model archive is damaged, or its contract is not one this build can serve.
    case modelContract = 65
    /// No image was found.
    case noInput = 66
    /// The model is not there.
    case modelMissing = 69
    /// libtorch, or m2fp's library over it, cannot be loaded.
    case libraryMissing = 72
    /// Nothing can be written where the outputs belong.
    case outputNotWritable = 73
    /// Another run holds the lock, or a budget is spent: the same command may succeed later.
    case temporary = 75
  }

  public let kind: Kind
  /// What failed and what to do, for people.
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }
}
