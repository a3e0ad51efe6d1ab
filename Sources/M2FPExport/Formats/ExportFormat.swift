import M2FPCore
import M2FPFiles
import M2FPResults

/// A format that finished photos can be exported in.
///
/// The pieces of photos are made on many threads, and added by one, in the order of the photos.
protocol ExportFormat: Sendable {
  associatedtype Piece: Sendable
  associatedtype Writer: ExportWriter<Piece>

  /// What is exported of one photo.
  ///
  /// - Throws: ``FileFailure`` where the photo, or what was found in it, cannot be encoded.
  func piece(of photo: StoredResult) throws(FileFailure) -> Piece

  /// What is exported of a photo that has no results: nothing, for most formats.
  func piece(of failed: FailedPhoto) -> Piece?

  /// Begins an export, under a temporary name.
  ///
  /// - Throws: ``FileFailure`` of stage `write`.
  func makeWriter() throws(FileFailure) -> Writer
}

extension ExportFormat {
  func piece(of failed: FailedPhoto) -> Piece? { nil }
}

/// An export in the making. Without ``finish()`` nothing is left of it.
protocol ExportWriter<Piece> {
  associatedtype Piece

  /// - Throws: ``FileFailure`` of stage `write`.
  func add(_ piece: Piece) throws(FileFailure)

  /// Gives the export its name.
  ///
  /// - Throws: ``FileFailure`` of stage `write`.
  func finish() throws(FileFailure)
}

/// A photo without results.
struct FailedPhoto {
  let file: PlannedFile
  let failure: FileFailure
}

extension AtomicFolder: ExportWriter {}
