import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// A folder of plain label maps: grey PNGs of 8 bits whose levels are classes, which every tool reads
/// as they are, and `classes.txt` with the classes' names, one a line.
struct LabelsExport: ExportFormat {
  let path: FilePath
  let classes: [String]

  func record(of photo: StoredResult) throws(FileFailure) -> AtomicFolder.Record {
    let file = try PNGEncoder.grey(photo.labels)
    return .init(files: [(photo.file.exportName.appending(suffix: ".png"), .bytes(file.bytes))])
  }

  func makeWriter() throws(FileFailure) -> AtomicFolder {
    let folder = try AtomicFolder(path)
    try folder.add(.init(files: [("classes.txt", .lines(classes))]))
    return folder
  }
}

extension AtomicFolder.Record.Content {
  /// A text file.
  static func lines(_ lines: [String]) -> Self {
    .bytes(Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}

extension EncodedImage {
  /// A copy of the file.
  var bytes: [UInt8] { withUnsafeBytes { Array($0) } }
}
