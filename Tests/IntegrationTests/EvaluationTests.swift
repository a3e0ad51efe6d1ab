import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// `m2fp eval` and `m2fp compare`, on trees written here.
struct EvaluationTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ labels: [UInt8], width: Int, to name: String) throws {
    let map = LabelMap(width: width, height: labels.count / width, pixels: labels)
    try folder.write(name, PNGEncoder.grey(map).data)
  }

  @Test func evalGivesTheFigures() async throws {
    try write([0, 0, 2, 2, 255, 255], width: 2, to: "truth/a.png")
    try write([0, 2, 2, 2, 1, 1], width: 2, to: "found/a.png")
    let result = try await run(
      "eval", "--predictions", "found", "--truth", "truth", "--absent", "skip", "--json", "--plot",
      "plot.svg")
    #expect(result.code == 0, "\(result.error)")
    let report = try result.object
    // Background 1/2, hair 2/3; three of four pixels are right.
    #expect(abs((report["mean_iou"] as? Double ?? 0) - 7 / 12) < 1e-12)
    #expect(report["pixel_accuracy"] as? Double == 0.75)
    let plot = try folder.text("plot.svg")
    #expect(plot.hasPrefix("<svg ") && plot.contains(">hair</text>"))
    let zero = try await run("eval", "--predictions", "found", "--truth", "truth", "--json").object
    #expect(abs((zero["mean_iou"] as? Double ?? 0) - 7.0 / 6 / 20) < 1e-12, "as published")
    let table = try await run("eval", "--predictions", "found", "--truth", "truth")
    #expect(table.output.contains("pixel accuracy 75.00"))
  }

  /// Figures over a part of the images would be wrong without a word.
  @Test(arguments: ["found", "found/sub", "truth/Category_ids"])
  func issue17AFolderThatCannotBeListedIsSaid(_ closed: String) async throws {
    try write([0, 2], width: 2, to: "truth/Category_ids/a.png")
    try write([0, 2], width: 2, to: "found/a.png")
    try write([0, 2], width: 2, to: "found/sub/b.png")
    #expect(chmod(folder.path(closed), 0) == 0 && chmod(folder.path, 0o755) == 0)
    defer { chmod(folder.path(closed), 0o700) }
    // Who runs it may not be let into the checkout.
    try FileManager.default.copyItem(atPath: Self.binary, toPath: folder.path("m2fp"))
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for command in ["eval --predictions found --truth truth", "compare found truth"] {
      let result = try await shell("./m2fp \(command)", by: geteuid() == 0 ? nobody : [])
      #expect(result.code == 66, "\(result.error)")
      #expect(result.error.contains("\(closed): the folder cannot be listed: permission denied"))
    }
  }

  @Test func evalMeasuresPartsOfChallengeFolders() async throws {
    for folder in ["truth/Category_ids", "found/global_parsing"] {
      try write([2, 2, 13, 13], width: 2, to: "\(folder)/a.png")
    }
    try write([1, 1, 2, 2], width: 2, to: "truth/Instance_ids/a.png")
    try folder.write("truth/Instance_ids/a.txt", "1 2 1\n2 13 1\n".utf8)
    try write([1, 1, 2, 0], width: 2, to: "found/instance_parsing/a.png")
    try folder.write("found/instance_parsing/a.txt", "2 0.9\n13 0.8\n".utf8)
    let report = try await run(
      "eval", "--predictions", "found", "--truth", "truth", "--absent", "skip", "--json"
    ).object
    // Hair is found whole at all 9 thresholds, half of the face (IoU 0.5) at 4 of them.
    let parts = try #require(report["apr"] as? [String: Any])
    #expect(abs((parts["mean"] as? Double ?? 0) - (1 + 4.0 / 9) / 2) < 1e-12)
    #expect(report["aph"] == nil, "no persons, no measure")
  }

  @Test func whatCannotBeEvaluatedIsNamed() async throws {
    try write([0, 2], width: 2, to: "truth/a.png")
    try write([0, 2], width: 2, to: "truth/b.png")
    try write([0, 2], width: 1, to: "truth/c.png")
    try write([0, 2], width: 2, to: "truth/d.png")
    try write([0, 2], width: 2, to: "found/a.png")
    try write([0, 2], width: 2, to: "found/c.png")
    try write([0, 77], width: 2, to: "found/d.png")
    let result = try await run("eval", "--predictions", "found", "--truth", "truth", "--json")
    #expect(result.code == 3)
    #expect(result.error.contains("b: there is no prediction"))
    #expect(result.error.contains("c: the prediction is of 2 × 1 pixels, the truth of 1 × 2"))
    #expect(result.error.contains("d: the prediction has a label 77"))
    #expect((try result.object["failures"] as? [Any])?.count == 3)
    #expect(try await run("eval", "--predictions", "found", "--truth", "none").code == 66)
    #expect(
      try await run("eval", "--predictions", "found", "--truth", "truth", "--plot", "a.png").code
        == 64)
    #expect(
      try await run("eval", "--predictions", "found", "--truth", "truth", "--plot", "no/p.svg").code
        == 73
    )
  }

  @Test func compareListsTheWorstFirst() async throws {
    try write([0, 1, 2, 3], width: 2, to: "a/good.png")
    try write([0, 1, 2, 3], width: 2, to: "b/good.png")
    try write([0, 1, 2, 3], width: 2, to: "a/sub/bad.png")
    try write([0, 1, 2, 0], width: 2, to: "b/sub/bad.png")
    let result = try await run("compare", "a", "b", "--json", "--least", "99.5")
    #expect(result.code == 4)
    let report = try result.object
    #expect(report["agreement"] as? Double == 0.875 && report["below"] as? Int == 1)
    let files = try #require(report["files"] as? [[String: Any]])
    #expect(files.map { $0["name"] as? String } == ["sub/bad", "good"])
    #expect(files[0]["agreement"] as? Double == 0.75)
    #expect(try await run("compare", "a", "b", "--least", "75").code == 0)
    try write([0], width: 1, to: "b/only.png")
    let uneven = try await run("compare", "a", "b")
    #expect(uneven.code == 3 && uneven.error.contains("only: is only in b"))
  }

  @Test func aTreeAgreesWithItself() async throws {
    try addPhoto("in/a.png")
    #expect(try await run("parse", "in", "--out", "x", "--model", Self.model).code == 0)
    #expect(
      try await run("parse", "in", "--out", "y", "--model", Self.model, "--naming", "full").code
        == 0)
    let result = try await run("compare", "x", "y", "--least", "100")
    #expect(result.code == 0 && result.output.contains("100.000"))
  }

  @Test func mapsOfDifferentClassesAreComparedInOneSet() async throws {
    try addPhoto("in/a.png")
    for (tree, remap) in [("x", []), ("y", ["--remap", "atr"]), ("z", ["--remap", "simple"])] {
      let parsed = try await run(["parse", "in", "--out", tree, "--model", Self.model] + remap)
      #expect(parsed.code == 0, "\(parsed.error)")
    }
    let refused = try await run("compare", "x", "y")
    #expect(refused.code == 66)
    #expect(
      refused.error.contains("its 20 classes are not the 18 of the other: compare both in one set"))
    for other in ["y", "z"] {
      let result = try await run("compare", "x", other, "--remap", "simple", "--least", "100")
      #expect(result.code == 0, "\(result.error)")
    }
    // From simple's classes there is no way to those of the others.
    let coarse = try await run("compare", "x", "z", "--remap", "atr")
    #expect(coarse.code == 66 && coarse.error.contains("what becomes of 'Person'"))
    try write([0, 2], width: 2, to: "plain/a.png")
    let unknown = try await run("compare", "plain", "x", "--remap", "simple")
    #expect(unknown.code == 66 && unknown.error.contains("nothing in plain tells its classes"))
    #expect(try await run("compare", "x", "y", "--remap", "simpel").code == 64)
    // CIHP's own folder says by its layout what it shows.
    try write([0, 2], width: 2, to: "truth/Category_ids/a.png")
    let sizes = try await run("compare", "truth", "y", "--remap", "simple")
    #expect(sizes.code == 66 && sizes.error.contains("one is of 2 × 1 pixels"))
  }

  @Test func ownPersonsAreEvaluated() async throws {
    try addPhoto("in/a.png")
    let parsed = try await run("parse", "in", "--out", "x", "--model", Self.model, "--persons")
    #expect(parsed.code == 0 && folder.exists("x/a.m2fp.persons.png"), "\(parsed.error)")
    // The truth is what was found.
    func labels(_ name: String) throws -> [UInt8] {
      try ImageDecoder.labels([UInt8](folder.read(name))).pixels.map { UInt8($0) }
    }
    let classes = try labels("x/a.m2fp.png")
    let persons = try labels("x/a.m2fp.persons.png")
    #expect((persons.max() ?? 0) > 0 && Set(classes) == [0, 2, 13])
    let parts = zip(persons, classes).map { $0 > 0 && $1 > 0 ? $0 * 20 + $1 : 0 }
    try write(classes, width: 120, to: "truth/Category_ids/a.png")
    try write(persons, width: 120, to: "truth/Human_ids/a.png")
    try write(parts, width: 120, to: "truth/Instance_ids/a.png")
    let list = Set(parts).subtracting([0]).map { "\($0) \($0 % 20) \($0 / 20)\n" }.joined()
    try folder.write("truth/Instance_ids/a.txt", list.utf8)
    let report = try await run(
      "eval", "--predictions", "x", "--truth", "truth", "--absent", "skip", "--json"
    ).object
    for measure in ["apr", "app", "pcp", "aph"] {
      #expect((report[measure] as? [String: Any])?["mean"] as? Double == 1, "\(measure)")
    }
    #expect(report["mean_iou"] as? Double == 1)
  }
}
