import M2FPBatch
import M2FPCore
import M2FPImageIO

/// A folder of plain label maps: grey PNGs of 8 bits whose levels are classes, which every tool reads
/// as they are, and `classes.txt` with the classes' names, one a line.
struct LabelsExport: ExportFormat {
  let path: String
  let classes: [String]

  func piece(of photo: FinishedPhoto) throws(FileFailure) -> ExportFolder.Piece {
    let file = try PNGEncoder.grey(photo.labels)
    return .init(files: [(photo.file.exportName + ".png", .bytes(file.bytes))])
  }

  func makeWriter() throws(FileFailure) -> ExportFolder {
    let folder = try ExportFolder(path)
    try folder.add(.init(files: [("classes.txt", .lines(classes))]))
    return folder
  }
}

extension ExportFolder.Piece.Content {
  /// A text file.
  static func lines(_ lines: [String]) -> Self {
    .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}

extension EncodedImage {
  /// A copy of the file.
  var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}
