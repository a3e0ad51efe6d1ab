import Foundation
import M2FPCore

/// One file that is not an output of a photo.
public enum AtomicFile {
  /// Replaces the file at `path`, whole or not at all.
  ///
  /// - Throws: ``FileFailure`` of stage ``Stage/write``.
  public static func write(_ text: Data, to path: String) throws(FileFailure) {
    let folder = Paths.folder(path)
    AtomicFiles.removeLeftovers(in: folder)
    var files = AtomicFiles(in: folder)
    try files.write(text, to: path)
    try files.sync()
    try files.commit()
  }
}
