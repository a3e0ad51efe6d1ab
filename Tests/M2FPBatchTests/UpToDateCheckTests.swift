import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

struct UpToDateCheckTests: BatchFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try addImage("a.png")
  }

  /// What a dry run says of `a.png`: why it would be parsed, or nil if it is current.
  private func reason(_ options: RunOptions? = nil, model: String = "0") throws -> RebuildReason? {
    let before = try folder.tree()
    let (summary, outcomes) = try run(options, model: model, isDryRun: true) {
      () throws(RunFailure) in
      throw RunFailure(.internal, "a dry run needs no session")
    }
    #expect(try folder.tree() == before, "a dry run writes nothing")
    switch outcomes.first?.result {
    case .planned(let change):
      #expect(summary.planned == 1 && summary.remaining == 0)
      return change.reason
    case .current:
      #expect(summary.current == 1)
      return nil
    case let result:
      Issue.record("\(String(describing: result))")
      return nil
    }
  }

  @Test func everyReasonIsTold() throws {
    #expect(try reason() == .new)
    try run()
    #expect(try reason() == nil)
    #expect(try reason(model: "1") == .otherModel)
    var options = options()
    options.parsing.maxSide = 64
    #expect(try reason(options) == .otherOptions(["max_side"]))
    options = self.options()
    options.parsing.outputs.cutout = OutputSelection.Cutout(classes: [1], perPerson: false)
    options.parsing.outputs.personMap = true
    #expect(try reason(options) == .otherOptions(["persons.map", "cutout"]))
    options = self.options()
    options.parsing.outputs.masks = [1]
    #expect(try reason(options) == nil, "they are among those that are there")
    options = self.options()
    options.force = true
    #expect(try reason(options) == .forced)
    try addImage("a.png", width: 41)
    #expect(try reason() == .changedInput)
  }

  @Test func anInputOfTheSameSizeIsToldByItsDigest() throws {
    try run()
    let image = try #require(folder.tree()["a.png"])
    utimes(folder.path + "/a.png", nil)
    #expect(try reason() == nil, "touched")
    try folder.write("a.png", image.dropLast() + [image[image.count - 1] ^ 1])
    #expect(try reason() == .changedInput)
  }

  @Test func missingOutputsAndSidecarsAreTold() throws {
    try run()
    let sidecar = try #require(folder.tree()["a.m2fp.json"])
    try folder.write("a.m2fp/class-13.png", [1])
    #expect(try reason() == .outputMissing)
    try folder.write("a.m2fp.json", sidecar.dropLast(100))
    #expect(try reason() == .unreadableSidecar)
    let text = String(decoding: sidecar, as: UTF8.self)
    try folder.write(
      "a.m2fp.json", text.replacing("\"format_version\" : 3", with: "\"format_version\" : 1").utf8)
    #expect(try reason() == .otherFormat)
    unlink(folder.path + "/a.m2fp.json")
    #expect(try reason() == .new, "outputs without a sidecar prove nothing")
  }

  @Test func aGlanceSaysWhatTheDecoderSays() throws {
    try addImage("ünï \"quoted\".png")
    var options = options()
    options.parsing.outputs.personMap = true
    options.parsing.outputs.personMasks = [13]
    try run(options)
    for name in ["a.m2fp.json", "ünï \"quoted\".m2fp.json"] {
      let text = try #require(folder.tree()[name])
      let sidecar = try JSONDecoder().decode(Sidecar.self, from: text)
      guard let glance = SidecarHeader([UInt8](text)) else {
        #expect(name.contains("\""), "only where characters are escaped is there no glance")
        continue
      }
      #expect(glance.formatVersion == sidecar.formatVersion)
      #expect(glance.inputName == sidecar.input.name && glance.inputSize == sidecar.input.size)
      #expect(glance.inputDigest == sidecar.input.sha256)
      #expect(glance.modelName == sidecar.model.name && glance.modelDigest == sidecar.model.sha256)
      #expect(Array(glance.options) == Sidecar.text(of: sidecar.options))
      #expect(glance.outputs.map(\.path) == sidecar.outputs.map(\.path))
      #expect(glance.outputs.map(\.size) == sidecar.outputs.map(\.size))
      #expect(glance.labelsDigest == sidecar.labels?.sha256 && glance.editedDigest == "")
      #expect(glance.inputWidth == 40 && glance.inputHeight == 30)
    }
    #expect(try run(options).summary.current == 2, "with a glance or without")
  }

  /// Cut short anywhere, a sidecar is nothing that one can rely on.
  @Test func aGlanceAtATruncatedSidecarIsNone() throws {
    try run()
    let text = [UInt8](try #require(folder.tree()["a.m2fp.json"]))
    for length in 0..<(text.count - 2) { #expect(SidecarHeader(Array(text[..<length])) == nil) }
  }

  @Test func anEditedButSoundSidecarStaysCurrent() throws {
    try run()
    let path = folder.path + "/a.m2fp.json"
    var status = stat()
    #expect(stat(path, &status) == 0)
    let object = try JSONSerialization.jsonObject(with: try #require(folder.tree()["a.m2fp.json"]))
    try folder.write("a.m2fp.json", JSONSerialization.data(withJSONObject: object))
    let times = [status.st_mtim, status.st_mtim]
    utimensat(AT_FDCWD, path, times, 0)
    #expect(try reason() == nil)
  }

  @Test func issue17DoubtfulMapsAreReadWithinTheMemoryThatThereIs() async throws {
    try addImage("b.png")
    try await run()
    // It says to be of 4 megapixels; as another file it is not taken at its word, and the map is read.
    let text = String(decoding: try #require(folder.tree()["a.m2fp.json"]), as: UTF8.self)
    try folder.write(
      "a.m2fp.json",
      text.replacing("\"width\" : 40", with: "\"width\" : 2000")
        .replacing("\"height\" : 30", with: "\"height\" : 2000").utf8)
    let options = options()
    let parser = Parser(contract: contract, options: options.parsing) {
      _ throws(RunFailure) in throw RunFailure(.internal, "a check needs no session")
    }
    let memory = WeightedSemaphore(capacity: 20 << 20)
    let check = UpToDateCheck(
      model: ModelIdentity(name: "fake", sha256: "0"),
      options: Sidecar.Options(options.parsing, encoder: parser.encoder), force: false,
      limits: ImageLimits(), memory: memory)
    let files = OutputPlan.plan(
      InputDiscovery.inputs(under: [folder.filePath], recursive: true), root: nil, naming: .stem)
    try #require(files.map(\.input.path.name) == [Array("a.png".utf8), Array("b.png".utf8)])
    #expect(check(files[1]) == .current)
    let doubtful = Locked<UpToDateStatus?>(nil)
    try await onOwnThread {
      // 10 MB are left: enough for sidecars, and not for the map.
      memory.holding(10 << 20) {
        Thread.detachNewThread {
          let status = check(files[0])
          doubtful.withLock { $0 = status }
        }
        Thread.sleep(forTimeInterval: 0.3)
        #expect(doubtful.withLock(\.self) == nil, "it waits")
      }
    }
    while doubtful.withLock(\.self) == nil { try await Task.sleep(for: .milliseconds(10)) }
    #expect(doubtful.withLock(\.self) == .edited)
  }
}
