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

struct BatchTests: BatchFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func anImageGivesItsMapItsMasksAndItsSidecar() throws {
    try addImage("a.png")
    let (summary, outcomes) = try run()
    #expect(summary.parsed == 1 && summary.failed == 0)
    #expect(
      try folder.tree().keys.sorted()
        == ["a.m2fp.json", "a.m2fp.png", "a.m2fp/class-13.png", "a.png"])
    guard case .parsed(let sidecar) = outcomes[0].result else {
      Issue.record("not parsed")
      return
    }
    #expect(sidecar.input.width == 40 && sidecar.input.height == 30)
    #expect(sidecar.classes.map(\.index) == [0, 13])
    #expect(sidecar.classes.map(\.pixels).reduce(0, +) == 1200)
    #expect(sidecar.humans.count == 1 && sidecar.parts.map(\.index) == [13])
    #expect(sidecar.outputs.map(\.path) == ["a.m2fp.png", "a.m2fp/class-13.png"])
    #expect(Set(outcomes[0].seconds.seconds.keys) == Set(Stage.allCases))
    #expect(Sidecar.read(folder.filePath("a.m2fp.json")) == sidecar)
  }

  private func mode(_ name: String) -> mode_t {
    var status = stat()
    return stat(folder.path(name), &status) == 0 ? status.st_mode & 0o777 : 0
  }

  /// Whoever may not read the photo may not read what is made of it, nor list the folder of its masks.
  @Test(arguments: [0o600, 0o640, 0o644, 0o400] as [mode_t])
  func issue17OutputsAreAsPrivateAsThePhoto(_ photo: mode_t) throws {
    let mask = umask(0o022)
    umask(mask)
    try addImage("a.png")
    #expect(chmod(folder.path("a.png"), photo) == 0)
    var options = options()
    options.parsing.outputs.overlay = OverlayStyle()
    options.parsing.outputs.cutout = .init(classes: nil, perPerson: false)
    try run(options)
    let outputs = folder.files().filter { $0 != "a.png" }
    #expect(outputs.count == 5)
    for name in outputs { #expect(mode(name) == (photo | 0o600) & ~mask, "\(name)") }
    #expect(mode("a.m2fp") == (photo | 0o700 | (photo & 0o040) >> 2 | (photo & 0o004) >> 2) & ~mask)
  }

  /// What a run keeps loses what the photo has lost: outputs that are current, that stay while others
  /// are rendered, an edited map, and the folder of the masks.
  @Test(arguments: ["current", "rendered", "edited", "parsed"])
  func issue17WhatIsKeptIsAsPrivateAsThePhoto(_ fate: String) throws {
    try addImage("a.png")
    #expect(chmod(folder.path("a.png"), 0o644) == 0)
    var options = options()
    options.parsing.outputs.personMasks = [13]
    try run(options)
    let before = folder.files().filter { $0 != "a.png" }
    let folders = ["a.m2fp", "a.m2fp/person-1"]
    #expect(before.count == 4)
    #expect((before + folders).allSatisfy { mode($0) & 0o044 != 0 })
    #expect(chmod(folder.path("a.png"), 0o600) == 0)
    var model = "0"
    switch fate {
    case "rendered": options.parsing.outputs.cutout = .init(classes: nil, perPerson: false)
    case "edited":
      var map = try ClassMap.read(folder.filePath("a.m2fp.png"), width: 40, height: 30)
      map.pixels[0] = 7
      try folder.write("a.m2fp.png", PNGEncoder.grey(map).data)
    case "parsed":
      // What is not asked for stays, as it shows the same.
      options.parsing.outputs.personMasks = []
      model = "1"
    default: break
    }
    #expect(try run(options, model: model, isDryRun: true).summary.failed == 0)
    #expect(mode("a.m2fp.json") & 0o044 != 0, "a dry run changes nothing")
    let summary = try run(options, model: model).summary
    let counts = [summary.current, summary.rendered, summary.edited, summary.parsed]
    #expect(counts == ["current", "rendered", "edited", "parsed"].map { $0 == fate ? 1 : 0 })
    for name in folder.files() { #expect(mode(name) == 0o600, "\(name)") }
    for name in folders { #expect(mode(name) == 0o700, "\(name)") }
    #expect(before.allSatisfy(folder.exists))
    #expect(try run(options, model: model).summary.current == 1 || fate == "edited")
  }

  /// A file that has another name may be another user's.
  @Test func issue17AFileOfTwoNamesKeepsItsMode() throws {
    try addImage("a.png")
    #expect(chmod(folder.path("a.png"), 0o644) == 0)
    try run()
    #expect(link(folder.path("a.m2fp.png"), folder.path("other")) == 0)
    let open = mode("other")
    #expect(chmod(folder.path("a.png"), 0o600) == 0)
    #expect(try run().summary.current == 1)
    #expect(mode("other") == open && mode("a.m2fp.json") == 0o600)
  }

  /// The group of a photo means nothing where its outputs get another group.
  @Test func issue17AnotherGroupIsNotLetIn() throws {
    guard geteuid() == 0 else { return }
    try addImage("a.png")
    #expect(chown(folder.path("a.png"), 0, 65534) == 0)
    #expect(chmod(folder.path("a.png"), 0o640) == 0)
    try run()
    var status = stat()
    #expect(stat(folder.path("a.m2fp.png"), &status) == 0)
    #expect(status.st_gid == 65534 && status.st_mode & 0o777 == 0o640)
  }

  /// Any process that may read a folder may lock it.
  @Test(.timeLimit(.minutes(2))) func issue17ALockThatNobodyLetsGoOfHoldsNobodyForLong()
    async throws
  {
    try addImage("a.png")
    let descriptor = open(folder.path, O_RDONLY | O_DIRECTORY)
    defer { close(descriptor) }
    #expect(flock(descriptor, LOCK_EX) == 0)
    let start = ContinuousClock.now
    let (summary, outcomes) = try await run()
    #expect(summary.failed == 1 && ContinuousClock.now - start < .seconds(60))
    guard case .failed(let failure) = outcomes[0].result else { return }
    #expect(failure.message.contains("holds a lock on the folder"))
    #expect(folder.files() == ["a.png"])
  }

  /// An archive of a stranger, or on a disk that hangs. Loading never ends, and time passes only
  /// meanwhile: it does not matter how long all else takes.
  @Test(.timeLimit(.minutes(3))) func issue17LoadingTheNetworkIsUnderTheTimeLimit() async throws {
    for index in 0..<3 { try addImage("\(index).png") }
    let (loads, seconds) = (Counter(), Counter())
    let isLoading = Locked(false)
    let hang = DispatchSemaphore(value: 0)
    var options = options(jobs: 1)
    options.timeout = .seconds(8)
    options.loadingAllowance = .zero
    options.uptime = {
      UInt64(isLoading.withLock { $0 ? seconds.increment() : seconds.value }) * 1_000_000_000
    }
    let batch = batch(options) { () throws(RunFailure) in
      if loads.increment() == 1 {
        isLoading.withLock { $0 = true }
        hang.wait()
      }
      return FakeSession()
    }
    let (files, threads, stream) = (plan(), options.threads, FileStream(capacity: .max))
    stream.push(files[0])
    let failure = Locked<FileFailure?>(nil)
    let summary = try await onOwnThread {
      batch.run(stream, on: threads, cancellation: Cancellation()) { outcome in
        guard case .failed(let reason) = outcome.result else { return }
        failure.withLock { $0 = reason }
        isLoading.withLock { $0 = false }
        // Nothing else was in hand.
        for file in files.dropFirst() { stream.push(file) }
        stream.finish()
      }
    }
    hang.signal()
    #expect(summary.failed == 1 && summary.parsed == 2 && loads.value == 2)
    let reason = try #require(failure.withLock { $0 })
    #expect(reason.code == .timeout && reason.message == "not done within 8 s")
  }

  @Test func theMapHoldsClassIndicesAndTheMaskIsItsClass() throws {
    try addImage("a.png")
    try run()
    let map = try ImageDecoder.decode(Array(try folder.tree()["a.m2fp.png"] ?? Data())).image
    #expect(map.width == 40 && map.height == 30)
    // The palette's red is the class index here.
    #expect(map.pixels[0] == 13 && map.pixels[(29 * 40 + 39) * 3] == 0)
    let mask = try ImageDecoder.decode(Array(try folder.tree()["a.m2fp/class-13.png"] ?? Data()))
    #expect(
      zip(map.pixels, mask.image.pixels).enumerated().allSatisfy {
        $0.offset % 3 != 0 || ($0.element.0 == 13) == ($0.element.1 == 255)
      })
  }

  @Test func theSameInputModelAndOptionsGiveTheSameBytes() throws {
    for index in 0..<12 { try addImage("\(index % 3)/\(index).png", width: 30 + index) }
    try run()
    let first = try folder.tree()
    var options = options(jobs: 4)
    options.force = true
    #expect(try run(options).summary.parsed == 12)
    #expect(try folder.tree() == first)
  }

  /// Also what `make tsan` looks at the threads of a postprocess by.
  @Test func aWorkersThreadsDoNotChangeTheBytes() throws {
    // One is large enough to be merged in patches.
    try addImage("small.png", width: 203, height: 150)
    try addImage("large.png", width: 403, height: 300)
    let trees = try [1, 3].map { threads in
      var options = options(jobs: 1, threads: threads)
      options.parsing.outputs.personMap = true
      options.force = true
      #expect(try run(options).summary.parsed == 2)
      return try folder.tree()
    }
    #expect(trees[0] == trees[1])
  }

  @Test func whatIsCurrentIsSkippedWithoutASession() throws {
    for index in 0..<5 { try addImage("\(index).png") }
    try run()
    let (summary, _) = try run { () throws(RunFailure) in
      throw RunFailure(.internal, "no session is needed")
    }
    #expect(summary.current == 5 && summary.parsed == 0)
  }

  @Test func aTouchedInputIsKnownByItsDigest() throws {
    try addImage("a.png")
    try run()
    utimes(folder.path + "/a.png", nil)
    #expect(try run().summary.current == 1)
    #expect(try run().summary.current == 1)
  }

  @Test func whatIsNotCurrentIsParsedAgain() throws {
    try addImage("a.png")
    try run()
    #expect(try run(model: "1").summary.parsed == 1, "another model")
    try addImage("a.png", width: 50)
    #expect(try run(model: "1").summary.parsed == 1, "another input")
    try FileManager.default.removeItem(atPath: folder.path + "/a.m2fp/class-13.png")
    #expect(try run(model: "1").summary.rendered == 1, "a missing output")
    try folder.write("a.m2fp.png", [1, 2, 3])
    #expect(try run(model: "1").summary.parsed == 1, "a damaged map")
    var options = options()
    options.parsing.maxSide = 64
    #expect(try run(options, model: "1").summary.parsed == 1, "other options of the network")
  }

  @Test func aBadFileIsNamedAndTheRestIsParsed() throws {
    for index in 0..<6 { try addImage("\(index).png") }
    try folder.write("2.png", "not an image".utf8)
    try folder.write("4.png", [UInt8]())
    let (summary, outcomes) = try run()
    #expect(summary.parsed == 4 && summary.failed == 2)
    let codes = outcomes.map { outcome -> FileFailure.Code? in
      if case .failed(let failure) = outcome.result { failure.code } else { nil }
    }
    #expect(codes == [nil, nil, .unknownFormat, nil, .empty, nil])
    let files = folder.files()
    #expect(files.count == 6 + 4 * 3, "\(files)")
  }

  @Test func aFileOverTheLimitsFails() throws {
    try addImage("a.png", width: 200, height: 200)
    var options = options()
    options.maxFileSize = 100
    let (_, bySize) = try run(options)
    options = self.options()
    options.parsing.limits = ImageLimits(maxPixels: 39_999)
    let (_, byPixels) = try run(options)
    for (outcomes, code) in [(bySize, FileFailure.Code.fileTooLarge), (byPixels, .imageTooLarge)] {
      guard case .failed(let failure) = outcomes[0].result else {
        Issue.record("not failed")
        return
      }
      #expect(failure.code == code)
    }
  }

  @Test func aNetworkThatFailsOnAnImageFailsThatImage() throws {
    try addImage("a.png")
    let failure = FileFailure(stage: .infer, code: .inference, message: "x")
    let (summary, outcomes) = try run { () throws(RunFailure) in FakeSession(failure: failure) }
    #expect(summary.failed == 1)
    guard case .failed(failure) = outcomes[0].result else {
      Issue.record("not failed")
      return
    }
  }

  /// It was "nobody found", up to date and in the cache.
  @Test(arguments: [Float.nan, .infinity])
  func issue17WhatIsNoNumberIsAFailureOfTheNetwork(_ logit: Float) throws {
    try addImage("a.png")
    let (summary, outcomes) = try run { () throws(RunFailure) in FakeSession(humanLogit: logit) }
    #expect(summary.failed == 1)
    guard case .failed(let failure) = outcomes[0].result else {
      Issue.record("not failed")
      return
    }
    #expect(failure.stage == .infer && failure.code == .inference)
    #expect(try folder.tree().keys.sorted() == ["a.png"])
  }

  /// By the model's limit, by as many queries as there are (all but the face's), and by the best pairs,
  /// of which one is the face's; told by every run that makes something of the result.
  @Test(arguments: [(4, 4, 4), (5, 4, nil), (nil, 4, nil), (nil, 10, 9)] as [(Int?, Int, Int?)])
  func issue17AsManyPersonsAsTheModelCanTellApartAreToldOf(
    _ most: Int?, _ there: Int, _ limit: Int?
  ) throws {
    let cacheFolder = try TemporaryFolder()
    let warnings =
      limit.map { ["as many persons as the model can tell apart (\($0)): there may be more"] } ?? []
    func outcome(_ change: (inout RunOptions) -> Void = { _ in }) throws -> Outcome {
      var options = options()
      options.cache = try ResultCache(cacheFolder.filePath, limit: .max)
      change(&options)
      let (_, outcomes) = try run(options, maxPersons: most) { () throws(RunFailure) in
        FakeSession(humans: there)
      }
      return try #require(outcomes.last)
    }
    try addImage("a.png", width: 128, height: 64)
    let parsed = try outcome()
    #expect(parsed.warnings == warnings)
    let sidecar = try #require(Sidecar.read(folder.filePath("a.m2fp.json")))
    #expect(sidecar.personLimit == limit && sidecar.humans.count == min(there, 9))
    let rendered = try outcome { $0.parsing.outputs.personMap = true }
    guard case .rendered(let sidecar) = rendered.result else {
      Issue.record("not rendered")
      return
    }
    #expect(rendered.warnings == warnings && sidecar.personLimit == limit)
    try folder.write("b.png", folder.read("a.png"))
    let cached = try outcome()
    guard case .cached = cached.result else {
      Issue.record("not out of the cache")
      return
    }
    #expect(cached.warnings == warnings)
  }

  @Test func aSessionThatCannotBeMadeEndsTheRun() throws {
    for index in 0..<50 { try addImage("\(index).png") }
    let (summary, _) = try run { () throws(RunFailure) in
      throw RunFailure(.modelContract, "broken")
    }
    #expect(summary.stop == .failure(RunFailure(.modelContract, "broken")))
    #expect(summary.parsed == 0 && summary.remaining == 50)
  }

  @Test func aCancelledRunLeavesTheRestAndTheNextGoesOn() throws {
    for index in 0..<30 { try addImage("\(index).png") }
    let cancellation = Cancellation()
    let counter = Counter()
    let (summary, _) = try run(cancellation: cancellation) { () throws(RunFailure) in
      FakeSession {
        if counter.increment() == 5 { cancellation.cancel(.interrupted) }
      }
    }
    #expect(summary.parsed >= 5 && summary.parsed < 30)
    #expect(summary.parsed + summary.remaining == 30)
    let next = try run().summary
    #expect(next.current == summary.parsed && next.parsed == summary.remaining)
  }

  @Test func aRunStopsAfterAsManyFailuresAsAreAllowed() throws {
    for index in 0..<40 { try folder.write("\(index).png", "not an image".utf8) }
    var options = options()
    options.maxErrors = 3
    let (summary, _) = try run(options)
    #expect(summary.stop == .errorLimit)
    // There is one reader for two workers.
    #expect(summary.failed == 3 && summary.remaining == 37)
  }

  @Test func aRunStopsWhenItsTimeIsUpAndTheNextGoesOn() async throws {
    for index in 0..<30 { try addImage("\(index).png") }
    let (summary, _) = try await run(cancellation: Cancellation(timeLimit: .milliseconds(200))) {
      () throws(RunFailure) in
      FakeSession { usleep(30_000) }
    }
    #expect(summary.stop == .timeLimit && summary.failed == 0)
    #expect(summary.remaining > 0 && summary.parsed + summary.remaining == 30)
    #expect(try await run().summary.parsed == summary.remaining)
  }

  @Test(.timeLimit(.minutes(3))) func aNetworkThatHangsFailsItsFilesAndHoldsUpNothingElse()
    async throws
  {
    for index in 0..<12 { try addImage("\(index).png") }
    let counter = Counter()
    let hang = DispatchSemaphore(value: 0)
    var options = options(jobs: 2)
    // Far beyond what an image takes on a busy machine, or under ThreadSanitizer.
    options.timeout = .seconds(8)
    let (summary, outcomes) = try await run(options) { () throws(RunFailure) in
      FakeSession { if counter.increment() % 4 == 0 { hang.wait() } }
    }
    // Three files hang, each in a session of its own: two workers and their successors.
    #expect(summary.failed == 3 && summary.parsed == 9)
    #expect(summary.stop == nil)
    for outcome in outcomes {
      if case .failed(let failure) = outcome.result {
        #expect(failure.code == .timeout && failure.stage == .infer)
        #expect(failure.message.contains("within 8 s"))
      }
    }
    // Let go, the threads end without a word and without an output.
    for _ in 0..<3 { hang.signal() }
    try await Task.sleep(for: .milliseconds(100))
    #expect(try folder.tree().keys.count { $0.hasSuffix(".m2fp.json") } == 9)
    #expect(try await run().summary.parsed == 3)
  }

  @Test(.timeLimit(.minutes(5))) func aMachineOnWhichEverythingHangsEndsTheRun() async throws {
    for index in 0..<60 { try addImage("\(index).png", width: 8, height: 8) }
    let hang = DispatchSemaphore(value: 0)
    var options = options(jobs: 8)
    options.timeout = .milliseconds(20)
    let (summary, _) = try await run(options) { () throws(RunFailure) in FakeSession { hang.wait() }
    }
    guard case .failure(let failure) = summary.stop else {
      Issue.record("not stopped")
      return
    }
    #expect(failure.kind == .temporary && summary.parsed == 0 && summary.remaining > 0)
    for _ in 0..<60 { hang.signal() }
  }

  @Test func leftoversOfAKilledRunGo() throws {
    try addImage("a.png")
    try run()
    try folder.write(".m2fp-killed.tmp", [1])
    try run()
    #expect(try folder.tree()[".m2fp-killed.tmp"] == nil)
  }

  /// `make chaos` found it: the run was killed while it tried whether the root can be written.
  @Test func issue5ALeftoverInARootWithoutOutputsGoes() throws {
    try addImage("sub/a.png")
    try folder.write(".m2fp-killed.tmp", [1])
    var options = options()
    options.outputRoot = folder.filePath
    try run(options)
    #expect(try folder.tree()[".m2fp-killed.tmp"] == nil)
  }

  @Test func whereAllIsCurrentNothingIsWrittenNotEvenToProbe() throws {
    try addImage("a.png")
    try run()
    // Whatever is made in a folder, and be it removed at once, changes the folder's own time.
    let past = Date(timeIntervalSince1970: 1_000_000_000)
    try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: folder.path)
    #expect(try run().summary.current == 1)
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path)
    #expect(attributes[.modificationDate] as? Date == past)
  }

  @Test func masksOfAnotherModelsClassesGo() throws {
    try addImage("a.png")
    try run()
    let path = folder.path + "/a.m2fp.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try folder.write("a.m2fp/tail.png", [1])
    try folder.write("a.m2fp/kept.png", [1])
    try folder.write(
      "a.m2fp.json", text.replacing("a.m2fp/class-13.png", with: "a.m2fp/tail.png").utf8)
    try run(model: "1")
    #expect(
      try folder.tree().keys.filter { $0.hasPrefix("a.m2fp/") }.sorted()
        == ["a.m2fp/class-13.png", "a.m2fp/kept.png"])
  }

  @Test func anOverlayIsWrittenOnlyWhenAsked() throws {
    try addImage("a.png")
    var options = options()
    options.parsing.outputs.overlay = OverlayStyle()
    try run(options)
    let overlay = try folder.tree()["a.m2fp.overlay.jpg"] ?? Data()
    #expect(try ImageDecoder.decode(Array(overlay)).image.width == 40)
    #expect(try run().summary.current == 1, "what was not asked for stays")
    #expect(try folder.tree()["a.m2fp.overlay.jpg"] == overlay)
    try addImage("a.png", width: 50)
    let (summary, outcomes) = try run()
    #expect(summary.parsed == 1 && summary.removed == 1, "an overlay of another photo goes")
    #expect(outcomes[0].removed == ["a.m2fp.overlay.jpg"])
    #expect(try folder.tree()["a.m2fp.overlay.jpg"] == nil)
  }

  @Test func outputsOfPersonsGoWithTheirSidecar() throws {
    try addImage("a.png")
    var options = options()
    options.parsing.outputs.masks = []
    options.parsing.outputs.personMap = true
    options.parsing.outputs.personMasks = [13]
    options.parsing.outputs.cutout = .init(classes: nil, perPerson: true)
    let (summary, outcomes) = try run(options)
    #expect(summary.parsed == 1)
    let all = [
      "a.m2fp.json", "a.m2fp.persons.png", "a.m2fp.png", "a.m2fp/person-1.cutout.png",
      "a.m2fp/person-1/class-13.png", "a.png",
    ]
    #expect(try folder.tree().keys.sorted() == all)
    guard case .parsed(let sidecar) = outcomes[0].result else {
      Issue.record("not parsed")
      return
    }
    #expect(
      sidecar.outputs.map(\.path.string).sorted()
        == all.filter { $0 != "a.png" && $0 != "a.m2fp.json" })
    let person = try #require(sidecar.persons?.first)
    #expect(person.id == 1 && person.pixels == 1200 && person.box == [0, 0, 40, 30])
    #expect(person.parts.map(\.index) == [13])
    #expect(Sidecar.read(folder.filePath("a.m2fp.json")) == sidecar)
    #expect(try run(options).summary.current == 1)
    // A photo of which a killed run has left no sidecar is cleaned up, too.
    try FileManager.default.removeItem(atPath: folder.path + "/a.m2fp.json")
    try folder.write("a.m2fp/person-2/class-1.png", [1])
    try folder.write("a.m2fp/person-2/mine.txt", [1])
    #expect(try run().summary.parsed == 1)
    #expect(
      try folder.tree().keys.sorted() == [
        "a.m2fp.json", "a.m2fp.png", "a.m2fp/class-13.png", "a.m2fp/person-2/mine.txt", "a.png",
      ])
    #expect(!FileManager.default.fileExists(atPath: folder.path + "/a.m2fp/person-1"))
  }

  @Test func remappedClassesAreThoseOfAllOutputs() throws {
    try addImage("a.png")
    var options = options()
    options.parsing.remap = try ClassRemap(
      json: Data(#"{"classes": ["Nothing", "Head"], "map": {\#(Self.lines)}}"#.utf8),
      modelClasses: contract.classes)
    options.parsing.outputs.palette = [RGB(0, 0, 0), RGB(9, 9, 9)]
    options.parsing.outputs.masks = [1]
    options.parsing.outputs.personMap = true
    let (_, outcomes) = try run(options)
    guard case .parsed(let sidecar) = outcomes[0].result else {
      Issue.record("not parsed")
      return
    }
    #expect(sidecar.classes.map(\.name) == ["Nothing", "Head"])
    #expect(sidecar.parts.map(\.name) == ["Head"])
    #expect(sidecar.humans.map(\.name) == ["Human"] && sidecar.humans.map(\.index) == [2])
    #expect(sidecar.persons?.first?.parts.map(\.name) == ["Head"])
    #expect(try folder.tree()["a.m2fp/head.png"] != nil)
    #expect(try run(options).summary.current == 1)
    #expect(try run().summary.rendered == 1, "the model's own classes were kept")
    #expect(try folder.tree()["a.m2fp/head.png"] == nil, "it shows other labels")
  }

  /// Every class becomes the background, but for the face.
  private static let lines = (0..<20).map {
    #""Class-\#($0)": "\#($0 == 13 ? "Head" : "Nothing")""#
  }.joined(separator: ", ")
}
