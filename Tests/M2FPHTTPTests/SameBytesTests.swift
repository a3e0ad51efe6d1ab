import Foundation
import M2FPCore
import M2FPResults
import M2FPServe
import SystemPackage
import TestSupport
import Testing

@testable import M2FP
@testable import M2FPBatch
@testable import M2FPHTTP

/// What is sent over HTTP is, byte for byte, what a run over the same photos writes.
struct SameBytesTests {
  private static let queries = [
    "", "masks=none&persons=true", "overlay=1&overlay-outlines=1&overlay-format=png",
    "persons=true&person-masks=all&cutout=class-13&cutout-persons=true",
    "max-side=100&min-person-score=0.3&overlay=true",
    "blur=class-13&obscured-grow=0.5&cutout=class-7&cutout-edges=hard&crop=5%&background=#102030",
    "pixelate=class-3,class-4&obscured-format=png&cutout-persons=true&crop=20",
  ]

  /// Each photo is asked for in one of the ways.
  @Test(arguments: queries.indices)
  func everyOutputOfEveryPhoto(_ number: Int) async throws {
    let query = Self.queries[number]
    let fixture = try await HTTPFixture()
    let folder = try TemporaryFolder()
    let images = Fixtures.url("images")
    // Two of the same stem would write the same outputs.
    let all = try FileManager.default.contentsOfDirectory(atPath: images.path).filter {
      ($0.hasSuffix(".jpg") || $0.hasSuffix(".png")) && $0 != "trailing-bytes.png"
    }.sorted()
    let names = all.indices.filter { $0 % Self.queries.count == number }.map { all[$0] }
    #expect(names.count > 5)
    for name in names {
      try folder.write(
        "photos/" + name, Data(contentsOf: images.appendingPathComponent(name)))
    }
    let asked = try PhotoOptions(
      query.split(separator: "&").map {
        let words = $0.split(separator: "=")
        return (name: String(words[0]), value: String(words[1]))
      }, of: fixture.service.model, font: nil, accept: nil)
    try await Self.parse(folder, fixture.service.model.request(asked.parsing).parser)
    var parsed = 0
    for name in names {
      let photo = try folder.read("photos/" + name)
      let answer = try await fixture.post(
        "/v1/parse?output=multipart&name=\(name)&\(query.replacing("#", with: "%23"))", photo)
      guard answer.status == 200 else {
        #expect(!folder.exists("parsed/\(FilePath(name).stem ?? "").m2fp.json"), "\(name)")
        continue
      }
      parsed += 1
      let type = try #require(answer.fields["content-type"])
      let boundary = try #require(Multipart.parameters(type).parameters["boundary"])
      let body = Array(answer.body)
      let parts = try Multipart.parts(body, boundary: boundary)
      for part in parts {
        let file = try #require(part.filename)
        #expect(try Data(body[part.range]) == folder.read("parsed/" + file), "\(file)")
      }
      let stem = try #require(FilePath(name).stem) + ".m2fp"
      #expect(
        Set(folder.files("parsed").filter { $0.hasPrefix(stem) })
          == Set(parts.compactMap(\.filename)))
    }
    #expect(parsed > 5)
    await fixture.stop()
  }

  private static func parse(_ folder: TemporaryFolder, _ parser: Parser) async throws {
    try await onOwnThread {
      var options = BatchOptions()
      options.version = "test"
      options.outputRoot = folder.filePath("parsed")
      let batch = Batch(
        parser: parser, options: options, model: ModelIdentity(name: "fake", sha256: "0"))
      let inputs = InputDiscovery.inputs(under: [folder.filePath("photos")], recursive: true)
      let cancellation = Cancellation()
      let files = batch.check(
        OutputPlan.plan(inputs, root: folder.filePath("parsed"), naming: .stem),
        cancellation: cancellation)
      _ = batch.run(
        files, on: ThreadPlan(jobs: 1, threads: 1, files: 1, budget: .current()),
        cancellation: cancellation
      ) { _ in }
    }
  }
}
