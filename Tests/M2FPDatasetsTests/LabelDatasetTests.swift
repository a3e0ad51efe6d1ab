import Foundation
import M2FPCore
import M2FPDatasets
import M2FPEvaluation
import M2FPImageIO
import SystemPackage
import Testing

/// Each layout is written as its specification says and read back.
final class LabelDatasetTests {
  private let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "m2fp-label-trees-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ text: String, to name: String) throws {
    try write(Data(text.utf8), to: name)
  }

  private func write(_ data: Data, to name: String) throws {
    let url = URL(fileURLWithPath: folder + "/" + name)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: url)
  }

  /// A grey PNG of one row.
  private func write(_ labels: [UInt8], to name: String) throws {
    let map = LabelMap(width: labels.count, height: 1, pixels: labels)
    try write(try PNGEncoder.grey(map).withUnsafeBytes { Data($0) }, to: name)
  }

  @Test func cihp() throws {
    try write([2, 255, 0], to: "Validation/Category_ids/a.png")
    try write([1, 2, 0], to: "Validation/Instance_ids/a.png")
    try write("1 2 1\n2 13 1\n", to: "Validation/Instance_ids/a.txt")
    try write([4, 4, 255], to: "Validation/Human_ids/a.png")
    let tree = try LabelDataset(FilePath(folder))
    #expect(tree.layout == .cihp && tree.names == ["a"] && tree.hasParts && tree.hasPersons)
    let image = try tree.truth(of: "a")
    #expect(image.labels.values == [2, 255, 0])
    #expect(
      image.parts?.instances == [.init(id: 1, classIndex: 2), .init(id: 2, classIndex: 13)])
    #expect(image.persons?.instances == [.init(id: 4)], "255 is nobody")
  }

  @Test func lip() throws {
    try write([1, 0], to: "TrainVal_parsing_annotations/val_segmentations/b.png")
    let tree = try LabelDataset(FilePath(folder))
    #expect(tree.layout == .lip && tree.names == ["b"] && !tree.hasPersons)
  }

  @Test func challenge() throws {
    try write([2, 13, 0], to: "global_parsing/a.png")
    try write([1, 2, 0], to: "instance_parsing/a.png")
    try write("2 0.75\n13 0.5\n", to: "instance_parsing/a.txt")
    let tree = try LabelDataset(FilePath(folder))
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
    let image = try LabelDataset(FilePath(folder)).found(in: "a")
    #expect(image.parts?.instances == [.init(id: 7, classIndex: 2, score: 0.5)])
    #expect(image.persons?.instances == [.init(id: 1, score: 0.25)])
  }

  @Test func ownOutputs() throws {
    let map = LabelMap(width: 2, height: 1, pixels: [2, 0])
    try write(
      try PNGEncoder.labelMap(map, palette: Palette.cihp.colours).withUnsafeBytes { Data($0) },
      to: "sub/photo.m2fp.png")
    try write([0, 1], to: "sub/photo.m2fp/hair.png")
    let tree = try LabelDataset(FilePath(folder))
    #expect(tree.layout == .m2fp && tree.names == ["sub/photo"])
    #expect(try tree.labels(of: "sub/photo").values == [2, 0], "indices, not colours")
  }

  @Test func plainFoldersAndFullNamesMatch() throws {
    try write([1], to: "sub/photo.png")
    let tree = try LabelDataset(FilePath(folder))
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
    try write(png, to: "a.png")
    #expect(try LabelDataset(FilePath(folder)).labels(of: "a").values == [300, 65535])
  }

  @Test func whatIsNoLabelMapIsNamed() throws {
    let image = RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
    try write(try PNGEncoder.rgb(image).withUnsafeBytes { Data($0) }, to: "a.png")
    let error = #expect(throws: LabelFileError.self) {
      try LabelDataset(FilePath(folder)).labels(of: "a")
    }
    #expect(error?.description.contains("a.png: not a label map") == true)
  }

  @Test func anEmptyFolderIsNoInput() throws {
    #expect(throws: RunFailure.self) { try LabelDataset(FilePath(folder)) }
    #expect(throws: RunFailure.self) { try LabelDataset(FilePath(folder + "/none")) }
  }
}
