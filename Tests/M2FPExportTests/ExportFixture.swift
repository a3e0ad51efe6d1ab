import Foundation
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch
@testable import M2FPCore
@testable import M2FPExport

/// A folder of photos with made-up results: patches of classes and persons with ragged edges, holes,
/// single pixels and several parts, so that every border case of a format occurs.
struct ExportFixture {
  let folder: TemporaryFolder
  let files: [PlannedFile]
  /// `classes[0]` is the background.
  static let classes = ["Background", "Hat", "Hair", "Face", "Left-arm"]
  static let palette = [
    RGB(0, 0, 0), RGB(128, 0, 0), RGB(255, 0, 0), RGB(0, 0, 255), RGB(51, 170, 221),
  ]

  static let context = Exporter.Context(
    classes: classes, palette: palette, model: "made-up <&> model", version: "test")

  /// Writes `count` photos, every other one in a folder of its own.
  init(count: Int = 6) throws {
    folder = try TemporaryFolder()
    for index in 0..<count {
      let name = index % 2 == 0 ? "a\(index)" : "sub/b\(index)"
      let image = Photo.pattern(width: 40 + 13 * index, height: 30 + 7 * index)
      try folder.write("photos/" + name + ".png", PNGEncoder.rgb(image).data)
    }
    files = OutputPlan.plan(
      InputDiscovery.inputs(under: [folder.filePath("photos")], recursive: true),
      root: folder.filePath("out"), naming: .stem)
    for (index, file) in files.enumerated() { try Self.writeResults(file, seed: UInt64(index)) }
  }

  private static func write(_ image: EncodedImage, _ path: String) throws {
    try FileManager.default.createDirectory(
      atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path,
      withIntermediateDirectories: true)
    try image.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: path)) }
  }

  private static func writeResults(_ file: PlannedFile, seed: UInt64) throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: file.input.path.string))
    let photo = try ImageDecoder.decode([UInt8](data)).image
    let (width, height) = (photo.width, photo.height)
    var random = SplitMix64(seed: seed)
    var labels = [UInt8](repeating: 0, count: width * height)
    var persons = labels
    // Discs, one over another, every third with a hole; then noise.
    for disc in 0..<14 {
      let (x, y) = (random.next(width), random.next(height))
      let radius = 2 + random.next(height / 3)
      let hole = disc % 3 == 0 ? radius / 2 : -1
      let (label, person) = (UInt8(random.next(5)), UInt8(disc < 4 ? 0 : 1 + disc % 3))
      for pixel in labels.indices {
        let (dx, dy) = (pixel % width - x, pixel / width - y)
        let distance = dx * dx + dy * dy
        if distance <= radius * radius && (hole < 0 || distance > hole * hole) {
          (labels[pixel], persons[pixel]) = (label, person)
        }
      }
    }
    for pixel in labels.indices where random.next(23) == 0 { labels[pixel] = UInt8(random.next(5)) }
    let map = LabelMap(width: width, height: height, pixels: labels)
    let personMap = LabelMap(width: width, height: height, pixels: persons)
    let tallies = PartTally.count(
      labels: map, map: personMap, persons: 3, classes: classes.count)
    let list = (1...3).map { id in
      let own = (0..<classes.count).map { tallies[id * classes.count + $0] }
      var all = own[0]
      for tally in own.dropFirst() { all.form(union: tally) }
      return Person(
        score: 1 - 0.1 * Float(id), parsingScore: 0.5, pixelCount: all.count,
        box: all.box ?? Instance.Box(x: 0, y: 0, width: 0, height: 0),
        parts: own.enumerated().dropFirst().compactMap { index, tally in
          tally.box.map {
            Person.Part(
              classIndex: index, score: 0.9 - 0.07 * Float(index), pixelCount: tally.count, box: $0)
          }
        })
    }
    let result = ParsingResult(
      labels: map, parts: [], humans: [], persons: Persons(map: personMap, list: list),
      classPixelCounts: (0..<classes.count).map { index in labels.count { $0 == UInt8(index) } },
      classScores: [nil, 0.5, 0.5, 0.5, 0.5])
    let sidecar = Sidecar(
      version: "test",
      source: Sidecar.Source(
        name: "x", size: data.count, sha256: "", format: .png, orientation: 1, width: width,
        height: height),
      model: .init(name: "made-up", sha256: ""),
      options: Sidecar.Options(
        maxSide: 0, precision: nil, quality: nil, masks: [], palette: [], overlay: nil,
        persons: Sidecar.Options.Persons(
          minScore: 0, minPixels: 1, minShare: nil, maxOverlap: 1, map: true, masks: []),
        cutout: nil, remap: nil),
      labels: Sidecar.Labels(names: classes, sha256: map.digest),
      found: ResultSummary(result, classes: classes, masks: true), outputs: [])
    try write(PNGEncoder.labelMap(map, palette: palette), file.outputs.mapPath.string)
    try write(
      PNGEncoder.labelMap(personMap, palette: Array(Palette.persons.colours.prefix(4))),
      file.outputs.personsPath.string)
    try sidecar.encoded().write(to: URL(fileURLWithPath: file.outputs.sidecarPath.string))
  }

  @discardableResult
  func export(
    _ kind: ExportRequest.Kind, _ name: String, failures: [FilePath: FileFailure] = [:]
  ) throws -> Exporter.Summary {
    try Exporter(Self.context, threads: 2)
      .run(
        ExportRequest(kind, path: folder.filePath(name)), files: files, failures: failures,
        memory: WeightedSemaphore(capacity: 1 << 30))
  }

  /// Runs a script with the readers of the formats: Pillow, NumPy, OpenCV, pycocotools.
  ///
  /// The script is given the export and `results()`: for each photo its name, size, class map and
  /// person map. What it prints is returned.
  func read(_ name: String, _ script: String) async throws -> String {
    try await TestPython.run(Self.prelude + script, [folder.path, folder.path(name)])
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private static let prelude = """
    import glob, json, os, sys
    import numpy as np
    from PIL import Image
    folder, export = sys.argv[1:]
    def pixels(path):
        return np.array(Image.open(path))
    def results():
        for path in sorted(glob.glob(folder + "/out/**/*.m2fp.json", recursive=True)):
            base = path[:-len(".m2fp.json")]
            yield (os.path.relpath(base, folder + "/out"), json.load(open(path)),
                   pixels(base + ".m2fp.png"), pixels(base + ".m2fp.persons.png"))
    def same(what, one, other):
        if not np.array_equal(one, other):
            sys.exit(f"{what}: {np.argwhere(np.asarray(one) != np.asarray(other))[:5]}")

    """
}

extension SplitMix64 {
  fileprivate mutating func next(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
