import M2FPCore
import SystemPackage

/// An image to parse, or a path that looked like one.
public struct Input: Sendable, Equatable {
  /// The path to open.
  public let path: FilePath
  /// The path below the folder the user named; for a file named by the user, its name.
  public let relativePath: FilePath
  /// Why the file cannot even be tried.
  public let failure: FileFailure?

  public init(path: FilePath, relativePath: FilePath, failure: FileFailure? = nil) {
    self.path = path
    self.relativePath = relativePath
    self.failure = failure
  }
}
