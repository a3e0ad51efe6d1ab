import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch
@testable import M2FPExport

@Suite struct ExporterTests {
  private func names(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
  }

  @Test func theSameResultsGiveTheSameBytes() throws {
    let fixture = try ExportFixture(count: 9)
    for kind in ExportRequest.Kind.allCases {
      try fixture.export(kind, "one/\(kind.rawValue)")
      _ = try Exporter(ExportFixture.context, threads: 5)
        .run(
          ExportRequest(kind, path: fixture.folder.filePath("other/\(kind.rawValue)")),
          files: fixture.files, failures: [:], memory: WeightedSemaphore(capacity: 1))
    }
    let one = try fixture.folder.tree("one")
    #expect(one.count > 40)
    #expect(try one == fixture.folder.tree("other"))
    // Nothing of the making is left.
    #expect(try names(fixture.folder.path("one")).count == ExportRequest.Kind.allCases.count)
  }

  @Test func aPhotoWithoutResultsIsLeftOutAndNamed() throws {
    let fixture = try ExportFixture(count: 4)
    try Data("x".utf8).write(to: URL(fileURLWithPath: fixture.files[2].outputs.mapPath.string))
    unlink(fixture.files[1].outputs.sidecarPath.string)
    let known = FileFailure(stage: .decode, code: .corrupt, message: "known")
    let summary = try fixture.export(
      .labels, "labels", failures: [fixture.files[0].input.path: known])
    #expect(summary.photos == 1 && summary.leftOut == 3)
    #expect(summary.failures.count == 2)
    #expect(
      summary.failures[0].failure.message.contains(fixture.files[1].outputs.sidecarPath.string))
    #expect(try names(fixture.folder.path("labels")) == [".m2fp-export", "classes.txt", "sub"])
  }

  /// What is told of several photos is told to those alone who may read all of them.
  @Test(arguments: ExportRequest.Kind.allCases)
  func issue17ExportsAreAsPrivateAsTheirPhotos(_ kind: ExportRequest.Kind) throws {
    let mask = umask(0o022)
    umask(mask)
    let fixture = try ExportFixture(count: 2)
    #expect(chmod(fixture.folder.path("photos/a0.png"), 0o600) == 0)
    try fixture.export(kind, "export")
    func mode(_ path: String) -> mode_t {
      var status = stat()
      return stat(fixture.folder.path(path), &status) == 0 ? status.st_mode & 0o777 : 0
    }
    guard ExportRequest(kind, path: "export").isFolder else {
      #expect(mode("export") == 0o600)
      return
    }
    let files = fixture.folder.files("export")
    let (first, second) = (files.filter { $0.contains("a0") }, files.filter { $0.contains("b1") })
    #expect(!first.isEmpty && first.count == second.count)
    for file in first { #expect(mode("export/" + file) == 0o600, "\(file)") }
    for file in second { #expect(mode("export/" + file) == 0o666 & ~mask, "\(file)") }
  }

  /// As forged ones may be, which the photo's own limit does not keep out.
  @Test func issue17MapsBeyondTheLimitAreLeftOut() throws {
    let fixture = try ExportFixture(count: 2)
    let context = Exporter.Context(
      classes: ExportFixture.classes, palette: ExportFixture.palette, model: "", version: "",
      limits: ImageLimits(maxPixels: 40 * 30))
    let summary = try Exporter(context, threads: 1).run(
      ExportRequest(.labels, path: fixture.folder.filePath("labels")), files: fixture.files,
      failures: [:], memory: WeightedSemaphore(capacity: 1))
    #expect(summary.photos == 1 && summary.leftOut == 1)
    #expect(summary.failures.map(\.failure.code) == [.imageTooLarge])
  }

  @Test func issue17ResultsAreReadWithinTheMemoryThatThereIs() async throws {
    let fixture = try ExportFixture(count: 4)
    let memory = WeightedSemaphore(capacity: 1 << 20)
    let photos = Locked<Int?>(nil)
    let export = try #require(
      memory.holding(1 << 20) {
        let run = Task {
          try await onOwnThread {
            let summary = try Exporter(ExportFixture.context, threads: 3).run(
              ExportRequest(.coco, path: fixture.folder.filePath("coco.json")),
              files: fixture.files, failures: [:], memory: memory)
            photos.withLock { $0 = summary.photos }
          }
        }
        Thread.sleep(forTimeInterval: 0.3)
        return photos.withLock(\.self) == nil ? run : nil
      }, "it waits")
    try await export.value
    #expect(photos.withLock(\.self) == 4)
  }

  @Test func anEarlierExportIsReplacedWhole() throws {
    let fixture = try ExportFixture(count: 2)
    try fixture.export(.labels, "labels")
    let old = fixture.folder.path("labels/left-over.png")
    try Data().write(to: URL(fileURLWithPath: old))
    try fixture.export(.labels, "labels")
    #expect(!FileManager.default.fileExists(atPath: old))
  }

  @Test func aFolderOfSomethingElseIsLeftAlone() throws {
    let fixture = try ExportFixture(count: 2)
    let target = fixture.folder.path("mine")
    try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
    // An empty folder may be used.
    try fixture.export(.labels, "mine")
    try FileManager.default.removeItem(atPath: target + "/.m2fp-export")
    for kind in [ExportRequest.Kind.labels, .lip, .yolo, .sheet] {
      let failure = #expect(throws: RunFailure.self) { try fixture.export(kind, "mine") }
      #expect(failure?.kind == .outputNotWritable)
      #expect(failure?.message.contains("no export of m2fp") == true)
      #expect(throws: RunFailure.self) {
        try Exporter.check(
          [ExportRequest(kind, path: FilePath(target))], files: fixture.files, probing: false)
      }
    }
    #expect(try names(target) == ["a0.png", "classes.txt", "sub"])
  }

  @Test func leftoversOfAKilledExportGo() throws {
    let fixture = try ExportFixture(count: 2)
    let dead = fixture.folder.path(".m2fp-export-dead.tmp")
    try FileManager.default.createDirectory(atPath: dead, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: dead + "/.m2fp-export"))
    try fixture.export(.labels, "labels")
    #expect(!FileManager.default.fileExists(atPath: dead))
  }

  /// A parsed export would be replaced by the new one, its photos with it.
  @Test(arguments: ["photos", ".", "photos/sub"])
  func issue19ExportsOverThePhotosAreRefused(_ name: String) throws {
    let fixture = try ExportFixture(count: 2)
    try fixture.folder.write(name + "/.m2fp-export", [])
    let failure = #expect(throws: RunFailure.self) {
      try Exporter.check(
        [ExportRequest(.yolo, path: fixture.folder.filePath(name))], files: fixture.files,
        probing: false)
    }
    #expect(failure?.message.contains("would replace") == true)
    // Beside or below them is a place like any other: such a folder is known for what it is.
    for name in ["photos-labels", "photos/labels", "photos/sub/labels"] {
      try Exporter.check(
        [ExportRequest(.labels, path: fixture.folder.filePath(name))], files: fixture.files,
        probing: false)
    }
  }

  @Test func twoPhotosOfOneNameAreRefused() throws {
    let fixture = try ExportFixture(count: 2)
    let twice = fixture.files + fixture.files
    #expect(throws: RunFailure.self) {
      try Exporter.check([ExportRequest(.coco, path: "x")], files: twice, probing: false)
    }
  }

  /// Whatever they are called.
  @Test func issue19ExportsOfEarlierRunsAreNoPhotos() throws {
    let fixture = try ExportFixture(count: 2)
    for (kind, name) in [
      (ExportRequest.Kind.yolo, "photos/yolo"), (.labels, "photos/sub/labels"),
      (.sheet, "photos/sheet"), (.coco, "photos/coco.txt"), (.sheet, "photos/all.html"),
    ] {
      try fixture.export(kind, name)
    }
    try fixture.folder.write("photos/mine.html", "<!doctype html>\n<html lang=\"en\">".utf8)
    func found(_ path: FilePath) -> (photos: [FilePath], leftOut: [FilePath]) {
      var leftOut: [FilePath] = []
      let photos = InputDiscovery.inputs(under: [path], recursive: true) { leftOut.append($0.path) }
      return (photos.map(\.path), leftOut)
    }
    let photos = found(fixture.folder.filePath("photos"))
    #expect(photos.photos == fixture.files.map(\.input.path))
    // Counted, so that nobody hides photos by such a mark.
    #expect(
      photos.leftOut
        == ["sheet", "sub/labels", "yolo", "all.html", "coco.txt", "mine.html"].map {
          fixture.folder.filePath("photos/" + $0)
        })
    // One that is named is meant.
    #expect(found(fixture.folder.filePath("photos/yolo")).photos.count == 2)
  }

  @Test func anExportThatCannotBeWrittenSaysSo() throws {
    let fixture = try ExportFixture(count: 1)
    let failure = #expect(throws: RunFailure.self) {
      try fixture.export(.coco, "photos/a0.png/coco.json")
    }
    #expect(failure?.kind == .outputNotWritable)
  }
}
