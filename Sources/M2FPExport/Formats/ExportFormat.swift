import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// A format that finished photos can be exported in.
///
/// The records of photos are made on many threads, and added by one, in the order of the photos.
protocol ExportFormat: Sendable {
  associatedtype Record: Sendable
  associatedtype Writer: ExportWriter<Record>

  /// Whether records are made of photos' own pixels.
  var showsPhotos: Bool { get }

  /// What is exported of one photo.
  ///
  /// - Throws: ``FileFailure`` where the photo, or what was found in it, cannot be encoded.
  func record(of photo: StoredResult) throws(FileFailure) -> Record

  /// What is exported of a photo that has no results: nothing, for most formats.
  func record(of failed: FailedPhoto) -> Record?

  /// Begins an export, under a temporary name.
  ///
  /// - Throws: ``FileFailure`` of stage `write`.
  func makeWriter() throws(FileFailure) -> Writer
}

extension ExportFormat {
  var showsPhotos: Bool { false }

  func record(of failed: FailedPhoto) -> Record? { nil }
}

/// An export in the making. Without ``finish()`` nothing is left of it.
protocol ExportWriter<Record> {
  associatedtype Record

  /// - Parameters:
  ///   - record: Of one photo.
  ///   - access: Who may read the photo.
  /// - Throws: ``FileFailure`` of stage `write`.
  func add(_ record: Record, for access: FileAccess) throws(FileFailure)

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
