import FoundationEssentials
import M2FPCore
import SystemPackage

/// One file that is not an output of a photo.
package enum AtomicFile {
  /// Replaces the file at `path`, whole or not at all; a link there is replaced, not followed.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  package static func write(_ text: Data, to path: FilePath) throws(FileFailure) {
    AtomicFiles.removeLeftovers(in: path.folder)
    var files = AtomicFiles(in: path.folder)
    try files.write(text, to: path.fileName)
    try files.sync()
    try files.commit()
  }
}

extension FilePath {
  /// The last component as a path; empty if there is none.
  package var fileName: FilePath { lastComponent.map { FilePath($0) } ?? FilePath() }
}
