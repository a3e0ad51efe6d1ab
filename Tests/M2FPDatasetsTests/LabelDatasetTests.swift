import Foundation
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import M2FPImageIO
import SystemPackage
import TestSupport
import Testing

/// Each layout is written as its specification says and read back.
struct LabelDatasetTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ text: String, to name: String) throws {
    try folder.write(name, text.utf8)
  }

  /// A grey PNG of one row.
  private func write(_ labels: [UInt8], to name: String) throws {
    let map = LabelMap(width: labels.count, height: 1, pixels: labels)
    try folder.write(name, PNGEncoder.grey(map).data)
  }

  @Test func cihp() throws {
    try write([2, 255, 0], to: "Validation/Category_ids/a.png")
    try write([1, 2, 0], to: "Validation/Instance_ids/a.png")
    try write("1 2 1\n2 13 1\n", to: "Validation/Instance_ids/a.txt")
    try write([4, 4, 255], to: "Validation/Human_ids/a.png")
    let tree = try LabelDataset(folder.filePath)
    #expect(tree.layout == .cihp && tree.names == ["a"] && tree.hasParts && tree.hasPersons)
    let image = try tree.truth(of: "a")
    #expect(image.labels.pixels == [2, 255, 0])
    #expect(
      image.parts?.instances == [.init(id: 1, classIndex: 2), .init(id: 2, classIndex: 13)])
    #expect(image.persons?.instances == [.init(id: 4)], "255 is nobody")
  }

  /// All that is read of an image counts.
  @Test func issue17ImagesSayHowMuchMemoryTheyNeed() throws {
    let row = [UInt8](repeating: 1, count: 10_000)
    try write(row, to: "plain/a.png")
    try write("no picture", to: "plain/b.png")
    for folder in ["Category_ids", "Instance_ids", "Human_ids"] {
      try write(row, to: "cihp/\(folder)/a.png")
    }
    try write("1 2 1\n", to: "cihp/Instance_ids/a.txt")
    let plain = try LabelDataset(folder.filePath("plain"))
    let one = plain.bytes(toRead: "a")
    #expect((10_000 * 5...10_000 * 20).contains(one))
    #expect(plain.bytes(toRead: "b") == 0 && plain.bytes(toRead: nil) == 0)
    let all = try LabelDataset(folder.filePath("cihp")).bytes(toRead: "a")
    #expect(all == 3 * one + "1 2 1\n".utf8.count * 20)
  }

  @Test func lip() throws {
    try write([1, 0], to: "TrainVal_parsing_annotations/val_segmentations/b.png")
    let tree = try LabelDataset(folder.filePath)
    #expect(tree.layout == .lip && tree.names == ["b"] && !tree.hasPersons)
  }

  @Test func challenge() throws {
    try write([2, 13, 0], to: "global_parsing/a.png")
    try write([1, 2, 0], to: "instance_parsing/a.png")
    try write("2 0.75\n13 0.5\n", to: "instance_parsing/a.txt")
    let tree = try LabelDataset(folder.filePath)
    #expect(tree.layout == .challenge)
    #expect(
      try tree.found(in: "a").parts?.instances == [
        .init(id: 1, classIndex: 2, score: 0.75), .init(id: 2, classIndex: 13, score: 0.5),
      ])
    let truth = try tree.truth(of: "a").parts?.instances
    #expect(truth?.map(\.classIndex) == [2, 13], "a line is a class and a score here too")
  }

  @Test func publishedEvaluator() throws {
    try write([2, 0], to: "semantic/a.png")
    try write([7, 0], to: "part/a.png")
    try write(
      #"[{"img_name": "a", "category_id": 2, "score": 0.5, "part_id": 7}]"#, to: "part/a.json")
    try write([1, 1], to: "human/a.png")
    try write(#"[{"img_name": "a", "score": 0.25, "human_id": 1}]"#, to: "human/a.json")
    let image = try LabelDataset(folder.filePath).found(in: "a")
    #expect(image.parts?.instances == [.init(id: 7, classIndex: 2, score: 0.5)])
    #expect(image.persons?.instances == [.init(id: 1, score: 0.25)])
  }

  @Test func ownOutputs() throws {
    let map = LabelMap(width: 2, height: 1, pixels: [2, 0])
    try folder.write(
      "sub/photo.m2fp.png", PNGEncoder.labelMap(map, palette: Palette.cihp.colours).data)
    try write([0, 1], to: "sub/photo.m2fp/hair.png")
    let tree = try LabelDataset(folder.filePath)
    #expect(tree.layout == .m2fp && tree.names == ["sub/photo"])
    #expect(try tree.labels(of: "sub/photo").pixels == [2, 0], "indices, not colours")
  }

  @Test func plainFoldersAndFullNamesMatch() throws {
    try write([1], to: "sub/photo.png")
    let tree = try LabelDataset(folder.filePath)
    #expect(tree.layout == .plain && tree.names == ["sub/photo"])
    #expect(tree.match("sub/photo.jpg") == "sub/photo" && tree.match("photo") == nil)
  }

  @Test func sixteenBitIds() throws {
    // 1 × 2 grey pixels of 16 bits: 300, 65535; written by Pillow.
    let png = try #require(
      Data(
        base64Encoded:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGNg1Pn/HwADigIs5IQANAAAAABJRU5ErkJggg=="
      ))
    try folder.write("a.png", png)
    #expect(try LabelDataset(folder.filePath).labels(of: "a").pixels == [300, 65535])
  }

  @Test func whatIsNoLabelMapIsNamed() throws {
    let image = RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
    try folder.write("a.png", PNGEncoder.rgb(image).data)
    let error = #expect(throws: LabelFileError.self) {
      try LabelDataset(folder.filePath).labels(of: "a")
    }
    #expect(error?.description.contains("a.png: not a label map") == true)
  }

  /// Of the columns of a list: one that is no number of an instance is said, with its line.
  @Test(arguments: [
    "1e9", "-1e9", "9223372036854775807", "-9223372036854775809", "18446744073709551616", "1e300",
    "-1e400", "nan", "inf", "0x1p70", "x", "",
  ])
  func issue17NumbersInAListOfInstancesTrapNowhere(_ number: String) throws {
    try write([2, 13, 0], to: "Category_ids/a.png")
    try write([1, 2, 0], to: "Instance_ids/a.png")
    try write([1, 1, 0], to: "Human_ids/a.png")
    for line in ["\(number) 2", "1 \(number)"] {
      try write("2 13 1\n\(line)\n", to: "Instance_ids/a.txt")
      let error = #expect(throws: LabelFileError.self) {
        try LabelDataset(folder.filePath).truth(of: "a")
      }
      #expect(
        error?.description.hasSuffix("Instance_ids/a.txt: line 2 is not 2 numbers or more") == true)
    }
  }

  /// A list from Windows is one line an instance, too.
  @Test func issue17ListsOfInstancesMayEndTheirLinesAsOnWindows() throws {
    try write([2, 13, 0], to: "Category_ids/a.png")
    try write([1, 2, 0], to: "Instance_ids/a.png")
    try write("2 13 1\r\n\r\n1\t2 1\r\n", to: "Instance_ids/a.txt")
    let truth = try LabelDataset(folder.filePath).truth(of: "a")
    #expect(truth.parts?.instances.map(\.id) == [2, 1])
    #expect(truth.parts?.instances.map(\.classIndex) == [13, 2])
  }

  /// A class and an instance that nothing is of count as nothing.
  @Test(arguments: ["-1", "256", "999999999", "-999999999"])
  func issue17InstancesOfNoClassAreNone(_ number: String) throws {
    try write([2, 13, 0], to: "Category_ids/a.png")
    try write([1, 2, 0], to: "Instance_ids/a.png")
    try write("1 2 1\n\(number) 2\n2 \(number)\n", to: "Instance_ids/a.txt")
    let truth = try LabelDataset(folder.filePath).truth(of: "a")
    let metrics = try ImageMetrics(
      truth: truth, found: Prediction(labels: truth.labels), classes: 20)
    var evaluation = Evaluation(classes: 20)
    evaluation.add(metrics)
    #expect(evaluation.partPrecision(2)?.mean == 0, "one to be found, and not found")
    #expect(evaluation.meanIoU != nil)
  }

  /// What is no whole number of 64 bits is said; any other is of an instance that is not there.
  @Test(arguments: [
    ("-1", true), ("\(Int.max)", true), ("\(Int.min)", true), ("9223372036854775808", false),
    ("1e300", false), ("0.5", false), ("null", false), ("\"1\"", false),
  ])
  func issue17NumbersInTheEvaluatorsJSONTrapNowhere(_ number: String, _ isRead: Bool) throws {
    try write([2, 0], to: "semantic/a.png")
    try write([7, 0], to: "part/a.png")
    try write([1, 1], to: "human/a.png")
    let part = #"[{"img_name": "a", "category_id": 2, "score": 0.5, "part_id": 7}]"#
    let human = #"[{"img_name": "a", "score": 0.25, "human_id": 1}]"#
    let labels = IndexMap(width: 2, height: 1, pixels: [2, 0])
    let ids = IndexMap(width: 2, height: 1, pixels: [7, 0])
    let truth = GroundTruth(
      labels: labels, parts: InstanceMap(ids: ids, instances: [.init(id: 7, classIndex: 2)]),
      persons: InstanceMap(ids: ids, instances: [.init(id: 7)]))
    for (key, file) in [
      ("category_id", "part"), ("part_id", "part"), ("human_id", "human"),
    ] {
      try write(part, to: "part/a.json")
      try write(human, to: "human/a.json")
      let forged = try JSONEdit.setting(
        "0." + key, to: number, in: Data((file == "part" ? part : human).utf8))
      try folder.write("\(file)/a.json", forged)
      let tree = try LabelDataset(folder.filePath)
      guard isRead else {
        let error = #expect(throws: LabelFileError.self) { try tree.found(in: "a") }
        #expect(error?.description.contains("\(file)/a.json: not the JSON that is wanted") == true)
        continue
      }
      var evaluation = Evaluation(classes: 20)
      evaluation.add(try ImageMetrics(truth: truth, found: tree.found(in: "a"), classes: 20))
      #expect(evaluation.partPrecision != nil && evaluation.personPrecision != nil)
    }
  }

  /// A map of persons of more values than a person can have.
  @Test func issue17OwnMapsAreOfEightBits() throws {
    let png = try #require(
      Data(
        base64Encoded:
          "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGNg1Pn/HwADigIs5IQANAAAAABJRU5ErkJggg=="
      ))
    try write([2, 0], to: "a.m2fp.png")
    try folder.write("a.m2fp.persons.png", png)
    try folder.write("a.m2fp.json", Self.sidecar)
    let error = #expect(throws: LabelFileError.self) {
      try LabelDataset(folder.filePath).found(in: "a")
    }
    #expect(error?.description.hasSuffix("is not a map of 8 bits, as m2fp writes them") == true)
  }

  /// One of version 2, with all that such a one needs.
  private static let sidecar = Data(
    #"""
    {"format_version": 2,
     "input": {"name": "a.png", "size": 1, "sha256": "", "format": "PNG", "orientation": 1,
      "width": 2, "height": 1},
     "model": {"name": "m", "sha256": ""},
     "options": {"max_side": 0, "masks": [], "palette": []},
     "classes": [], "parts": [], "humans": [], "outputs": []}
    """#.utf8)

  @Test func anEmptyFolderIsNoInput() throws {
    #expect(throws: RunFailure.self) { try LabelDataset(folder.filePath) }
    #expect(throws: RunFailure.self) { try LabelDataset(folder.filePath("none")) }
  }
}
