import M2FPCore
import SystemPackage

/// An image to parse, or a path that looked like one.
public struct Input: Sendable, Equatable {
  /// The path to open.
  public let path: FilePath
  /// The path below the folder the user named; for a file named by the user, its name.
  public let relativePath: FilePath
  /// The front of ``path`` that the user named; nil for all of it. What is behind was found, and may
  /// be led elsewhere by others' symbolic links.
  public let root: FilePath?
  /// Why the file cannot even be tried.
  public let failure: FileFailure?

  public init(
    path: FilePath, relativePath: FilePath, root: FilePath? = nil, failure: FileFailure? = nil
  ) {
    self.path = path
    self.relativePath = relativePath
    self.root = root
    self.failure = failure
  }
}
