import SystemPackage

/// Failure of more than one image: why a model, a library or a whole run cannot start or go on.
///
/// Thrown where models are opened and loaded, where inputs are selected, and where the places of
/// outputs are made ready.
public struct RunFailure: Error, Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// A defect of this program.
    case `internal`
    /// Something is asked for that makes no sense.
    case usage
    /// The model archive is damaged, or its contract is not one this build can serve.
    case modelContract = "model-contract"
    /// No image was found.
    case noInput = "no-input"
    /// The model is not there.
    case modelMissing = "model-missing"
    /// libtorch, or m2fp's library over it, cannot be loaded.
    case libraryMissing = "library-missing"
    /// Nothing can be written where the outputs belong.
    case outputNotWritable = "output-not-writable"
    /// Another run holds the lock, or a budget is spent: the same may succeed later.
    case temporary
  }

  /// What a program that wants to help needs to know beyond the kind.
  public enum Detail: Sendable, Equatable {
    /// Another process writes in the same folder.
    case locked
    /// A folder cannot be locked.
    case notLockable
    /// So many files hang that it is no longer the files.
    case stuckFiles
    /// The system starts no further thread.
    case tooFewThreads
    /// There are files, and the patterns select none of them.
    case nothingSelected
    /// No run has left results where they are looked for.
    case noResults
    /// A name that no archive has.
    case noSuchModel
    /// An archive that cannot be read or loaded.
    case damagedModel
    /// An archive that does, or may do, more than compute.
    case untrustedModel(sha256: String)
    /// An archive that is not the one that was wanted.
    case otherModel(sha256: String)
    /// An archive that does not say what it is.
    case noContract
    /// A contract that cannot be read or contradicts itself.
    case unusableContract
    /// A contract of another version; whether of a later one.
    case contractVersion(isNewer: Bool)
    /// An environment variable of a job array that is not set.
    case noJobArray
    /// A job array whose tasks cannot be counted off.
    case unevenJobArray
    /// What it was that could not be written.
    case destination(Destination)
  }

  /// What is written for a whole run.
  public enum Destination: Sendable, Equatable {
    case results, cache, export, failureList
  }

  public let kind: Kind
  /// What failed, without a full stop at its end.
  public let message: String
  public let detail: Detail?
  /// The failure of one file that is behind it, if one is.
  public let cause: FileFailure?
  /// What the system said, where it was the system that refused.
  public let underlying: Errno?

  public init(
    _ kind: Kind, _ message: String, detail: Detail? = nil, cause: FileFailure? = nil,
    underlying: Errno? = nil
  ) {
    self.kind = kind
    self.message = message
    self.detail = detail
    self.cause = cause
    self.underlying = underlying ?? cause?.underlying
  }

  /// The failure of a file, without which nothing can go on.
  ///
  /// - Parameters:
  ///   - destination: What could not be written.
  ///   - cause: Why.
  ///   - prefix: What to say before the cause.
  /// - Returns: A failure of kind ``Kind/outputNotWritable``.
  package static func notWritable(
    _ destination: Destination, _ cause: FileFailure, prefix: String = ""
  ) -> RunFailure {
    RunFailure(
      .outputNotWritable, prefix + cause.message, detail: .destination(destination), cause: cause)
  }
}

extension RunFailure: CustomStringConvertible {
  /// "no model at x.pt: no such file or folder (model-missing)".
  public var description: String { "\(message) (\(kind.rawValue))" }
}
