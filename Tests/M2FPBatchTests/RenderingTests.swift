import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

/// Outputs of what an earlier run has found.
struct RenderingTests: BatchFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try addImage("a.png")
  }

  /// A session that must not be needed.
  private static let none: SessionFactory = { () throws(RunFailure) in
    throw RunFailure(.internal, "no network is needed")
  }

  /// Everything that can be asked for.
  private func everything() throws -> RunOptions {
    var options = options()
    options.parsing.outputs.personMap = true
    options.parsing.outputs.personMasks = [13]
    options.parsing.outputs.overlay = OverlayStyle()
    options.parsing.outputs.cutout = .init(classes: [13], perPerson: true)
    return options
  }

  private func remap() throws -> ClassRemap {
    let lines = (0..<20).map { #""Class-\#($0)": "\#($0 == 13 ? "Head" : "Nothing")""# }
    return try ClassRemap(
      json: Data(
        #"{"classes": ["Nothing", "Head"], "map": {\#(lines.joined(separator: ", "))}}"#.utf8),
      modelClasses: contract.classes)
  }

  private func sidecar() throws -> Sidecar {
    try #require(Sidecar.read(folder.filePath("a.m2fp.json")))
  }

  /// Replaces the map by an edited one, as an editor would: another file, saved later.
  private func edit(_ change: (inout LabelMap) -> Void) throws {
    var map = try ClassMap.read(folder.filePath("a.m2fp.png"), width: 40, height: 30)
    change(&map)
    try folder.write("a.m2fp.png", PNGEncoder.grey(map).data)
    utimes(folder.path("a.m2fp.png"), nil)
  }

  @Test func renderedOutputsAreTheBytesOfParsedOnes() throws {
    try run(everything())
    let parsed = try folder.tree()
    for name in parsed.keys where name != "a.png" { try folder.remove(name) }
    try run()
    let (summary, _) = try run(everything(), session: Self.none)
    #expect(summary.rendered == 1 && summary.parsed == 0)
    #expect(try folder.tree() == parsed)
    #expect(try run(everything(), session: Self.none).summary.current == 1)
  }

  /// Room for one photo at a time is enough, and who has none waits.
  @Test func issue17ResultsAreReadWithinTheMemoryThatThereIs() async throws {
    for index in 0..<11 { try addImage("\(index).png") }
    try await run(options())
    var options = try everything()
    options.threads = self.options(jobs: 4).threads
    options.memoryLimit = 1
    let batch = batch(options, session: Self.none)
    let checked = batch.check(plan(), cancellation: Cancellation())
    let (threads, done) = (options.threads, Counter())
    let run = try #require(
      batch.processor.memory.holding(.max) {
        let run = Task {
          try await onOwnThread {
            batch.run(checked, on: threads, cancellation: Cancellation()) { _ in done.increment() }
          }
        }
        Thread.sleep(forTimeInterval: 0.3)
        return done.value == 0 ? run : nil
      }, "they wait")
    #expect(try await run.value.rendered == 12)
  }

  /// Waiting for memory ends with the run.
  @Test(.timeLimit(.minutes(5))) func issue17WhoWaitsForMemoryCanBeCancelled() async throws {
    try await run(options())
    let options = try everything()
    let batch = batch(options, session: Self.none)
    let cancellation = Cancellation()
    let checked = batch.check(plan(), cancellation: cancellation)
    let share = try #require(batch.processor.memory.take(.max))
    let (threads, photo) = (options.threads, try folder.tree().count)
    async let summary = onOwnThread {
      batch.run(checked, on: threads, cancellation: cancellation) { _ in }
    }
    try await Task.sleep(for: .milliseconds(100))
    cancellation.cancel(.interrupted)
    let total = try await summary
    #expect(total.rendered == 0 && total.remaining == 1)
    #expect(try folder.tree().count == photo)
    withExtendedLifetime(share) {}
  }

  @Test func anotherSetOfClassesIsRenderedThereAndBack() throws {
    try run(everything())
    let own = try folder.tree()
    var options = try everything()
    options.parsing.remap = try remap()
    options.parsing.outputs.palette = [RGB(0, 0, 0), RGB(9, 9, 9)]
    options.parsing.outputs.masks = [1]
    options.parsing.outputs.personMasks = [1]
    options.parsing.outputs.cutout = .init(classes: [1], perPerson: true)
    #expect(try run(options, session: Self.none).summary.rendered == 1)
    let rendered = try folder.tree()
    #expect(try sidecar().labels?.names == ["Nothing", "Head"])
    options.force = true
    #expect(try run(options).summary.parsed == 1)
    #expect(try folder.tree() == rendered, "as if it were parsed so")
    #expect(try run(everything(), session: Self.none).summary.rendered == 1)
    #expect(try folder.tree() == own)
  }

  @Test func whatWasNotAskedForStaysAsLongAsItShowsTheLabels() throws {
    try run(everything())
    let all = try folder.tree()
    var options = options()
    options.parsing.outputs.masks = []
    #expect(try run(options, session: Self.none).summary.current == 1)
    options.force = true
    let (summary, _) = try run(options)
    #expect(summary.parsed == 1 && summary.removed == 0)
    #expect(try folder.tree() == all, "the same labels were found again")
    // Another format is another overlay, and there is one.
    options = self.options()
    options.parsing.outputs.overlay = OverlayStyle()
    options.parsing.outputs.overlay?.format = .png
    let (_, outcomes) = try run(options, session: Self.none)
    #expect(outcomes[0].removed == ["a.m2fp.overlay.jpg"])
    #expect(try sidecar().options.overlay?.format == .png)
    #expect(try folder.tree()["a.m2fp/person-1.cutout.png"] == all["a.m2fp/person-1.cutout.png"])
    // Other labels are shown by nothing that was there.
    options = self.options()
    options.parsing.outputs.masks = []
    options.parsing.remap = try remap()
    options.parsing.outputs.palette = [RGB(0, 0, 0), RGB(9, 9, 9)]
    #expect(try run(options, session: Self.none).summary.removed == 5)
    #expect(
      try folder.tree().keys.sorted() == [
        "a.m2fp.json", "a.m2fp.persons.png", "a.m2fp.png", "a.png",
      ])
  }

  @Test func issue19OtherMasksAreMadeAndNothingElse() throws {
    try run(everything())
    let before = try folder.tree()
    var options = try everything()
    options.parsing.outputs.maskOperations = MaskOperations(grow: 2)
    let (summary, _) = try run(options, session: Self.none)
    #expect(summary.rendered == 1 && summary.parsed == 0 && summary.removed == 0)
    let after = try folder.tree()
    #expect(after.keys.sorted() == before.keys.sorted())
    for (name, bytes) in before where name != "a.m2fp.json" {
      let isMask = name.hasPrefix("a.m2fp/") && !name.contains("cutout")
      #expect((after[name] != bytes) == isMask, "\(name)")
    }
    #expect(try sidecar().options.maskOperations == MaskOperations(grow: 2))
    #expect(try run(options, session: Self.none).summary.current == 1)
    // Where no masks are asked for, those that are there stay, and it is told what was done to them.
    options = try everything()
    options.parsing.outputs.masks = []
    options.parsing.outputs.personMasks = []
    options.parsing.outputs.overlay?.format = .png
    #expect(try run(options, session: Self.none).summary.rendered == 1)
    #expect(try sidecar().options.maskOperations == MaskOperations(grow: 2))
    #expect(try folder.tree()["a.m2fp/face.png"] == after["a.m2fp/face.png"])
    try run(everything(), session: Self.none)
    #expect(try folder.tree() == before)
  }

  @Test func issue19AnObscuredPhotoIsMadeAnewWhereItLooksDifferent() throws {
    var options = try everything()
    options.parsing.outputs.obscured = .init(
      Obscuring([13], of: contract.classes, style: .blur), format: .png)
    try run(options)
    let first = try #require(try folder.tree()["a.m2fp.obscured.png"])
    #expect(try run(options, session: Self.none).summary.current == 1)
    #expect(try run(everything(), session: Self.none).summary.current == 1, "it stays")
    options.parsing.outputs.obscured?.obscuring.grow = 1
    #expect(try run(options, session: Self.none).summary.rendered == 1)
    #expect(try folder.tree()["a.m2fp.obscured.png"] != first)
    options.parsing.outputs.obscured?.format = .jpeg
    #expect(try run(options, session: Self.none).outcomes[0].removed == ["a.m2fp.obscured.png"])
    #expect(try sidecar().options.obscured?.format == .jpeg)
    // Where other labels are shown it is no promise.
    try edit { map in map.pixels[0] = map.pixels[0] == 13 ? 0 : 13 }
    let (_, outcomes) = try run(everything(), session: Self.none)
    #expect(outcomes[0].removed == ["a.m2fp.obscured.jpg"])
  }

  /// An overlay that stays has the colours it had; asked for again, it gets those of the run.
  @Test func anOverlayInOtherColoursStaysAndIsToldApart() throws {
    var options = options()
    options.parsing.outputs.overlay = OverlayStyle()
    try run(options)
    let first = try folder.tree()["a.m2fp.overlay.jpg"]
    var other = self.options()
    other.parsing.outputs.palette = (0..<20).map { RGB(0, UInt8($0), 0) }
    #expect(try run(other, session: Self.none).summary.rendered == 1)
    #expect(try folder.tree()["a.m2fp.overlay.jpg"] == first)
    #expect(try sidecar().options.overlay?.palette?.last == "#130000")
    other.parsing.outputs.overlay = OverlayStyle()
    #expect(try run(other, session: Self.none).summary.rendered == 1)
    #expect(try folder.tree()["a.m2fp.overlay.jpg"] != first)
    #expect(try sidecar().options.overlay?.palette == nil)
  }

  @Test func personsByOtherRulesNeedTheNetworkOnlyWhereTheyAreShown() throws {
    try run()
    var options = options()
    options.parsing.persons = PersonRules(minScore: 0.99, minSize: .pixels(1), maxOverlap: 1)
    #expect(try run(options, session: Self.none).summary.current == 1)
    options.parsing.outputs.personMap = true
    let (_, outcomes) = try run(options, isDryRun: true)
    guard case .planned(let change) = outcomes[0].result else {
      Issue.record("not planned")
      return
    }
    #expect(change.reason == .otherOptions(["persons.min_score"]) && change.action == .parse)
  }

  @Test func aDryRunTellsEveryFileThatRenderingTouches() throws {
    try run(everything())
    let before = try folder.tree()
    var options = try everything()
    options.parsing.outputs.overlay?.format = .png
    options.parsing.outputs.cutout = .init(classes: nil, perPerson: false)
    let (_, outcomes) = try run(options, isDryRun: true, session: Self.none)
    guard case .planned(let change) = outcomes[0].result else {
      Issue.record("not planned")
      return
    }
    #expect(change.reason == .otherOptions(["overlay", "cutout"]) && change.action == .render)
    #expect(change.written == ["a.m2fp.overlay.png"])
    #expect(change.replaced == ["a.m2fp.cutout.png", "a.m2fp.json"])
    #expect(change.removed == ["a.m2fp.overlay.jpg", "a.m2fp/person-1.cutout.png"])
    #expect(try folder.tree() == before)
    let (_, done) = try run(options, session: Self.none)
    #expect(done[0].removed.sorted { $0.string < $1.string } == change.removed)
    let after = try folder.tree()
    #expect(
      Set(after.keys)
        == Set(before.keys).subtracting(change.removed.map(\.string)).union(
          change.written.map(\.string)))
    for name in before.keys where after[name] != nil && !change.replaced.contains(FilePath(name)) {
      #expect(after[name] == before[name])
    }
  }

  @Test func aDryRunTellsWhatParsingTouches() throws {
    try run(everything())
    var options = options()
    options.parsing.maxSide = 64
    options.parsing.outputs.overlay = OverlayStyle()
    options.parsing.outputs.overlay?.format = .png
    let (_, outcomes) = try run(options, isDryRun: true, session: Self.none)
    guard case .planned(let change) = outcomes[0].result else {
      Issue.record("not planned")
      return
    }
    #expect(change.reason == .otherOptions(["max_side"]) && change.action == .parse)
    #expect(change.written.map(\.string) == ["a.m2fp.overlay.png", "a.m2fp"])
    #expect(change.replaced == ["a.m2fp.png", "a.m2fp.json"])
    #expect(
      change.removed == [
        "a.m2fp.cutout.png", "a.m2fp.overlay.jpg", "a.m2fp.persons.png",
        "a.m2fp/person-1.cutout.png", "a.m2fp/person-1/class-13.png",
      ])
  }

  // MARK: - Edited maps

  @Test func anEditedMapIsKeptAndShownByAllOutputs() throws {
    try run(everything())
    let before = try sidecar()
    try edit { map in
      for pixel in 0..<400 { map.pixels[pixel] = 7 }
    }
    let edited = try folder.tree()["a.m2fp.png"]
    for force in [false, true] {
      for model in ["0", "1"] {
        var options = try everything()
        options.force = force
        let (summary, outcomes) = try run(options, model: model, session: Self.none)
        #expect(summary.edited == 1 && summary.failed == 0, "\(outcomes)")
        #expect(try folder.tree()["a.m2fp.png"] == edited)
      }
    }
    let sidecar = try sidecar()
    #expect(sidecar.classes.map(\.index) == [0, 7, 13] && sidecar.classes[1].pixels == 400)
    #expect(sidecar.labels?.sha256 == before.labels?.sha256 && sidecar.labels?.edited != nil)
    #expect(sidecar.persons?[0].parts.map(\.index) == [7, 13])
    #expect(sidecar.model == before.model)
    let mask = try ImageDecoder.labels([UInt8](#require(try folder.tree()["a.m2fp/class-7.png"])))
    #expect(
      mask.pixels.prefix(400).allSatisfy { $0 == 1 } && mask.pixels[400...].allSatisfy { $0 == 0 })
    #expect(try StoredResult(planned()).labels.pixels[0] == 7)
  }

  private func planned() -> PlannedFile {
    OutputPlan.plan(
      [Input(path: folder.filePath("a.png"), relativePath: "a.png")], root: nil, naming: .stem)[0]
  }

  @Test func whatAnEditTakesBackIsAsItWas() throws {
    try run(everything())
    let before = try folder.tree()
    let map = try #require(before["a.m2fp.png"])
    try edit { $0.pixels[0] = 7 }
    #expect(try run(everything(), session: Self.none).summary.edited == 1)
    try folder.write("a.m2fp.png", map)
    #expect(try run(everything(), session: Self.none).summary.rendered == 1)
    #expect(try folder.tree() == before)
  }

  @Test func onlyOverwritingReplacesAnEditedMap() throws {
    try run()
    let before = try folder.tree()
    try edit { $0.pixels[0] = 7 }
    var options = options()
    options.overwriteEdited = true
    #expect(try run(options).summary.parsed == 1)
    #expect(try folder.tree() == before)
  }

  /// Nothing that is asked for can be made of them: the run says so, and leaves them.
  @Test func anEditedMapThatCannotBeUsedFailsAndStays() throws {
    let photo = try #require(folder.tree()["a.png"])
    func failure(_ options: RunOptions) throws -> FileFailure.Code? {
      let map = try folder.tree()["a.m2fp.png"]
      let (_, outcomes) = try run(options, session: Self.none)
      #expect(try folder.tree()["a.m2fp.png"] == map)
      if case .failed(let failure) = outcomes[0].result { return failure.code }
      return nil
    }
    try run()
    try edit { $0.pixels[0] = 99 }
    #expect(try failure(options()) == .corrupt, "a value that is no class")
    try edit { $0.pixels[0] = 7 }
    var options = options()
    options.parsing.remap = try remap()
    options.parsing.outputs.palette = [RGB(0, 0, 0), RGB(9, 9, 9)]
    options.parsing.outputs.masks = [1]
    #expect(try failure(options) == .edited, "in other classes")
    try addImage("a.png", width: 41)
    #expect(try failure(self.options()) == .edited, "of another photo")
    try folder.write("a.png", photo)
    try folder.write("a.m2fp.png", PNGEncoder.rgb(Photo.pattern(width: 40, height: 30)).data)
    #expect(try failure(self.options()) == .unsupported, "saved in colours")
  }

  @Test func aMapThatWasSavedWithTheSameLabelsIsNotEdited() throws {
    try run()
    let written = try folder.tree()
    try edit { _ in }
    #expect(try run(session: Self.none).summary.rendered == 1, "it is of another size")
    #expect(try folder.tree() == written)
    utimes(folder.path("a.m2fp.png"), nil)
    #expect(try run(session: Self.none).summary.current == 1)
    #expect(try run(session: Self.none).summary.current == 1)
  }

  // MARK: - Without a model

  private func render(_ options: RunOptions) throws -> (BatchSummary, [Outcome]) {
    let batch = Batch(
      rendering: ResultEncoder(options.parsing.outputs, classes: contract.classes), remap: nil,
      options: options.batch)
    let files = try ResultDiscovery.files(under: [folder.filePath], photos: nil)
    var outcomes: [Outcome] = []
    let cancellation = Cancellation()
    let summary = batch.run(
      batch.check(files, cancellation: cancellation), on: options.threads,
      cancellation: cancellation
    ) { outcomes.append($0) }
    return (summary, outcomes)
  }

  @Test func resultsAreRenderedWithoutTheirModelAndTheirPhoto() throws {
    try run(everything())
    let parsed = try folder.tree()
    for name in parsed.keys where name != "a.png" { try folder.remove(name) }
    try run(model: "0")
    try FileManager.default.moveItem(atPath: folder.path("a.png"), toPath: folder.path("b.gone"))
    var options = try everything()
    options.parsing.outputs.overlay = nil
    options.parsing.outputs.cutout = nil
    #expect(try render(options).0.rendered == 1)
    #expect(
      try folder.tree()["a.m2fp/person-1/class-13.png"] == parsed["a.m2fp/person-1/class-13.png"])
    let (summary, outcomes) = try render(everything())
    guard case .failed(let failure) = outcomes[0].result else {
      Issue.record("\(summary)")
      return
    }
    #expect(failure.stage == .read && failure.code == .unreadable, "an overlay shows the photo")
    try FileManager.default.moveItem(atPath: folder.path("b.gone"), toPath: folder.path("a.png"))
    #expect(try render(everything()).0.rendered == 1)
    #expect(try folder.tree() == parsed)
    try addImage("a.png", width: 41)
    #expect(try render(everything()).0.failed == 1, "of another photo")
  }

  /// A run that is killed while it replaces some outputs costs none of the others.
  @Test func whatStaysIsPromisedWhileTheRestIsReplaced() throws {
    var options = options()
    options.parsing.outputs.overlay = OverlayStyle()
    try run(options)
    let whole = try folder.tree()
    let sidecar = try sidecar()
    try folder.remove("a.m2fp/class-13.png")
    let plain = self.options().parsing
    let names = planned().outputs
    let stored = try RestoredResult(names, in: .remapped(nil))
    let changes = OutputChanges(
      names, wanted: [.labelMap, .mask("class-13")],
      request: Sidecar.Options(
        plain, encoder: ResultEncoder(plain.outputs, classes: contract.classes)),
      shown: OutputChanges.Shown(
        labels: stored.labels, found: sidecar.found, input: sidecar.input.sha256),
      previous: sidecar, remakesAll: false)
    #expect(changes.made == [.mask("class-13")])
    let meanwhile = changes.meanwhile(sidecar)
    #expect(meanwhile.outputs.map(\.path) == ["a.m2fp.png", "a.m2fp.overlay.jpg"])
    #expect(meanwhile.options.overlay == sidecar.options.overlay)
    #expect(!meanwhile.options.masks.contains("class-13"))
    try folder.write("a.m2fp.json", meanwhile.encoded())
    #expect(try run(session: Self.none).summary.rendered == 1)
    #expect(try folder.tree() == whole)
  }

  /// What a run that is killed between two renames leaves is made whole by the next.
  @Test func aSidecarThatPromisesLittleIsCompletedWithoutTheNetwork() throws {
    try run(everything())
    let whole = try folder.tree()
    let sidecar = try sidecar()
    let little = Sidecar.Options(
      maxSide: sidecar.options.maxSide, precision: nil, quality: nil, masks: [],
      palette: sidecar.options.palette, overlay: nil,
      persons: .init(
        minScore: 0, minPixels: 1, minShare: nil, maxOverlap: 1, map: false, masks: []),
      cutout: nil, remap: nil)
    try folder.write(
      "a.m2fp.json",
      sidecar.with(options: little, outputs: [sidecar.outputs[0]]).encoded())
    try folder.write("a.m2fp.overlay.jpg", [1])
    #expect(try run(everything(), session: Self.none).summary.rendered == 1)
    #expect(try folder.tree() == whole)
  }
}
