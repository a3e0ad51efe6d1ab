import FoundationEssentials
import M2FPCore
import SystemPackage

/// One file that is not an output of a photo.
package enum AtomicFile {
  /// Replaces the file at `path`, whole or not at all; a link there is replaced, not followed.
  ///
  /// - Parameters:
  ///   - text: What is to be in it.
  ///   - path: The file.
  ///   - rule: Which links on the way to its folder are followed.
  ///   - access: Who may read and write it.
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package static func write(
    _ text: Data, to path: FilePath, following rule: LinkRule = .all, access: FileAccess = .standard
  ) throws(FileFailure) {
    AtomicFiles.removeLeftovers(in: path.folder, following: rule)
    var files = AtomicFiles(in: path.folder, following: rule, access: access)
    try files.write(text, to: path.fileName)
    try files.sync()
    try files.commit()
  }
}

extension FilePath {
  /// The last component as a path; empty if there is none.
  package var fileName: FilePath { lastComponent.map { FilePath($0) } ?? FilePath() }
}
