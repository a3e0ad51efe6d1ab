import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// A data set for Ultralytics' segmentation models: `labels/NAME.txt` with an object a line, its class
/// and its polygon, a copy of the photo as `images/NAME.jpg`, and `data.yaml`.
///
/// Copies and no links: those would break where the folder is taken elsewhere, and Ultralytics writes
/// to images that it finds damaged. Where the file system can, they share the photos' blocks.
///
/// Classes count from 0 without the background; the last is the whole person. Points are pixel
/// centres over the photo's size.
struct YOLOExport: ExportFormat {
  let path: FilePath
  let classes: [String]
  /// Which symbolic links on the way to a photo are followed.
  let links: LinkPolicy

  func record(of photo: StoredResult) throws(FileFailure) -> AtomicFolder.Record {
    let (width, height) = (photo.labels.width, photo.labels.height)
    var lines: [String] = []
    func add(_ category: Int, _ box: Instance.Box, _ isInside: (Int) -> Bool) {
      let points = Polygon.around(box, width: width, isInside)
      guard points.count >= 3 else { return }
      let numbers = points.map { point in
        // Half a pixel in: what is cut to whole pixels again is then the same pixel.
        let x = (Double(point.x) + 0.5) / Double(width)
        let y = (Double(point.y) + 0.5) / Double(height)
        return String(printf: "%.7g %.7g", x, y)
      }
      lines.append("\(category) " + numbers.joined(separator: " "))
    }
    let (labels, persons) = (photo.labels.pixels, photo.persons.pixels)
    let objects = ExportedInstances(photo)
    for personMask in objects.persons {
      add(classes.count - 1, personMask.mask.imageBox) { persons[$0] == personMask.person.id }
    }
    for part in objects.parts {
      add(part.classIndex - 1, part.mask.imageBox) {
        labels[$0] == part.classIndex && persons[$0] == part.person
      }
    }
    func path(_ folder: FilePath, _ ending: String) -> FilePath {
      folder.appending(photo.file.exportName.components).appending(suffix: "." + ending)
    }
    let input = photo.file.input
    let suffix = photo.sidecar.input.format.fileExtension
    return .init(files: [
      (path("labels", "txt"), .lines(lines)),
      (path("images", suffix), .copy(input.path, LinkRule(below: input.root, links))),
    ])
  }

  func makeWriter() throws(FileFailure) -> AtomicFolder {
    let folder = try AtomicFolder(path)
    // No "path": that would be taken from wherever Ultralytics is run; without it data.yaml's folder is
    // meant.
    let names = (classes.dropFirst() + ["person"]).enumerated()
      .map { "  \($0.offset): \(JSONText.of($0.element))" }
    try folder.add(
      .init(files: [
        ("data.yaml", .lines(["train: images", "val: images", "names:"] + names))
      ]))
    return folder
  }
}

extension RunLength {
  /// The box round the mask.
  fileprivate var imageBox: Instance.Box {
    let box = box
    return Instance.Box(x: box[0], y: box[1], width: box[2], height: box[3])
  }
}
