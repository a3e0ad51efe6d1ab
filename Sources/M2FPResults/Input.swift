import M2FPCore

/// An image to parse, or a path that looked like one.
public struct Input: Sendable, Equatable {
  /// The path to open.
  public let path: String
  /// The path below the folder the user named; for a file named by the user, its name.
  public let relativePath: String
  /// Why the file cannot even be tried.
  public let failure: FileFailure?
  /// The path's bytes if they are not UTF-8; `path` then is only for messages.
  package let exactPath: [UInt8]?

  public init(path: String, relativePath: String, failure: FileFailure? = nil) {
    self.init(path: path, relativePath: relativePath, failure: failure, exactPath: nil)
  }

  package init(path: String, relativePath: String, failure: FileFailure?, exactPath: [UInt8]?) {
    self.path = path
    self.relativePath = relativePath
    self.failure = failure
    self.exactPath = exactPath
  }
}
