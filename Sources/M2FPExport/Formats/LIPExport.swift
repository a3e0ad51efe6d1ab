import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// A folder as the LIP and CIHP challenges take it (https://sysu-hcp.net/lip/mparsing_challenge.php):
///
/// - `global_parsing/ID.png`: the class of each pixel;
/// - `instance_parsing/ID.png`: each part of each person with a number of its own, from 1;
/// - `instance_parsing/ID.txt`: on line n the class and the score of part n.
struct LIPExport: ExportFormat {
  let path: FilePath
  let palette: [RGB]

  /// Pixel values of 8 bits.
  private static let mostParts = 255

  func record(of photo: StoredResult) throws(FileFailure) -> AtomicFolder.Record {
    func path(_ folder: FilePath, _ suffix: String) -> FilePath {
      folder.appending(photo.file.exportName.components).appending(suffix: suffix)
    }
    var numbers: [Int: UInt8] = [:]
    var lines: [String] = []
    for person in photo.sidecar.persons ?? [] {
      // By descending score: in a crowd the least sure persons are left out.
      for part in person.parts where lines.count < Self.mostParts {
        lines.append("\(part.index) \(String(printf: "%.6f", part.score ?? 0))")
        numbers[person.id << 8 | part.index] = UInt8(lines.count)
      }
    }
    var parts = [UInt8](repeating: 0, count: photo.labels.pixels.count)
    forEachRun(photo.labels, photo.persons) { y, columns, label, person in
      guard let number = numbers[Int(person) << 8 | Int(label)] else { return }
      for x in columns { parts[y * photo.labels.width + x] = number }
    }
    let map = LabelMap(width: photo.labels.width, height: photo.labels.height, pixels: parts)
    let colours = Palette.persons.colours.prefix(lines.count + 1)
    return .init(files: [
      (
        path("global_parsing", ".png"),
        .bytes(try PNGEncoder.labelMap(photo.labels, palette: palette).bytes)
      ),
      (
        path("instance_parsing", ".png"),
        .bytes(try PNGEncoder.labelMap(map, palette: Array(colours)).bytes)
      ),
      (path("instance_parsing", ".txt"), .lines(lines)),
    ])
  }

  func makeWriter() throws(FileFailure) -> AtomicFolder { try AtomicFolder(path) }
}
