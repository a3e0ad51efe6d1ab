import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// One JSON file in the format of COCO's instances: persons, and their parts, as compressed RLE.
///
/// A part bears its person's `person_id` (the id in the map of persons). What is of a class but of no
/// person may be several objects at once and is marked as COCO marks that: `iscrowd`.
struct COCOExport: ExportFormat {
  let path: FilePath
  let classes: [String]
  let model: String

  /// An annotation, but for its ids.
  private struct Annotation: Encodable {
    struct Segmentation: Encodable {
      let size: [Int]
      let counts: String
    }

    let category_id: Int
    let bbox: [Int]
    let area: Int
    let segmentation: Segmentation
    let iscrowd: Int
    let score: Float?
    let person_id: Int?
    let parsing_score: Float?
  }

  private struct Image: Encodable {
    let file_name: String
    let width: Int
    let height: Int
  }

  private struct Category: Encodable {
    let id: Int
    let name: String
    let supercategory: String
  }

  /// One photo's share of the file.
  struct Record: Sendable {
    fileprivate let image: String
    fileprivate let annotations: [String]
  }

  /// - Returns: The JSON of the image and of its annotations, without ids.
  func record(of photo: StoredResult) -> Record {
    let objects = ExportedInstances(photo)
    let (width, height) = (photo.labels.width, photo.labels.height)
    func annotation(
      _ category: Int, _ mask: RunLength, score: Float?, person: Int, parsingScore: Float? = nil,
      isCrowd: Bool = false
    ) -> String {
      JSONText.of(
        Annotation(
          category_id: category, bbox: mask.box, area: mask.area,
          segmentation: .init(
            size: [height, width], counts: mask.compressed(pixels: width * height)),
          iscrowd: isCrowd ? 1 : 0, score: score, person_id: person > 0 ? person : nil,
          parsing_score: parsingScore))
    }
    return Record(
      image: JSONText.of(
        Image(file_name: photo.file.input.relativePath.string, width: width, height: height)),
      annotations: objects.persons.map {
        annotation(
          classes.count, $0.mask, score: $0.person.score, person: $0.person.id,
          parsingScore: $0.person.parsingScore)
      }
        + objects.parts.map {
          annotation(
            $0.classIndex, $0.mask, score: $0.score, person: $0.person, isCrowd: $0.person == 0)
        })
  }

  func makeWriter() throws(FileFailure) -> Writer { try Writer(self) }

  /// Images and annotations grow side by side, in two files that become one at the end.
  final class Writer: ExportWriter {
    private let images: StreamedFile
    private let annotations: StreamedFile
    private var imageCount = 0
    private var annotationCount = 0

    fileprivate init(_ format: COCOExport) throws(FileFailure) {
      images = try StreamedFile(format.path)
      annotations = try StreamedFile(format.path)
      var categories = format.classes.enumerated().dropFirst().map {
        Category(id: $0.offset, name: $0.element, supercategory: "part")
      }
      categories.append(
        Category(id: format.classes.count, name: "person", supercategory: "person"))
      try images.write(
        ExportSignature.coco + "\"model\":\(JSONText.of(format.model))},\"licenses\":[],"
          + "\"categories\":\(JSONText.of(categories)),\"images\":[")
    }

    func add(_ record: Record, for access: FileAccess) throws(FileFailure) {
      for file in [images, annotations] { file.restrict(to: access) }
      imageCount += 1
      try images.write(
        (imageCount > 1 ? ",\n" : "\n") + "{\"id\":\(imageCount)," + record.image.dropFirst())
      for annotation in record.annotations {
        annotationCount += 1
        try annotations.write(
          (annotationCount > 1 ? ",\n" : "\n")
            + "{\"id\":\(annotationCount),\"image_id\":\(imageCount)," + annotation.dropFirst())
      }
    }

    func finish() throws(FileFailure) {
      try images.write("\n],\"annotations\":[")
      try images.append(annotations)
      try images.write("\n]}\n")
      try images.commit()
    }
  }
}

/// JSON on one line, keys sorted.
enum JSONText {
  static func of(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      preconditionFailure("numbers and text are always encodable: \(error)")
    }
  }
}
