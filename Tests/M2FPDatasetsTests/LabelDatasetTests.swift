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

  @Test func anEmptyFolderIsNoInput() throws {
    #expect(throws: RunFailure.self) { try LabelDataset(folder.filePath) }
    #expect(throws: RunFailure.self) { try LabelDataset(folder.filePath("none")) }
  }
}
