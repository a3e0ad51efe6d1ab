import Foundation
import M2FPCore
import M2FPResults
import TestSupport
import Testing

@testable import M2FP
@testable import M2FPBatch

/// Photos whose persons are parsed one by one as well, whom another network finds.
struct CropsTests: BatchFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    for index in 0..<3 { try addImage("\(index).png") }
  }

  /// A network that finds a class everywhere.
  private struct DenseSession: NetworkSession {
    var onRun: @Sendable () -> Void

    func run<Result>(
      width: Int, height: Int,
      fill: (UnsafeMutableBufferPointer<Float>) -> Void,
      body: (NetworkOutput) throws(FileFailure) -> Result
    ) throws(FileFailure) -> Result {
      onRun()
      let area = width / 4 * (height / 4)
      var logits = [Float](repeating: 0, count: 20 * area)
      for place in 0..<area { logits[13 * area + place] = 8 }
      return try logits.withUnsafeBufferPointer { (logits) throws(FileFailure) in
        try body(
          NetworkOutput(tensors: [.init(shape: [1, 20, height / 4, width / 4], values: logits)]))
      }
    }
  }

  /// One worker goes over the folder; `onRun` is told of the runs of the network: of each photo one over the
  /// whole, then one over the crop round its only person.
  private func run(
    _ options: RunOptions? = nil, cancellation: Cancellation = Cancellation(),
    onRun: @escaping @Sendable () -> Void = {}
  ) async throws -> BatchSummary {
    let options = options ?? self.options(jobs: 1)
    let found = FakeSession.contract()
    let contract = ModelContract(
      model: "fake-dense", classes: found.classes, palette: found.palette,
      preprocess: found.preprocess,
      postprocess: .dense(.init(stride: 4, crops: .init(margin: 0.1, outside: .background))),
      licence: "none", commercialUse: true, sourceSHA256: "", torchVersion: "")
    var ofFinder = ParserOptions()
    ofFinder.persons = .all
    let finder = Parser(contract: found, options: ofFinder) { _ throws(RunFailure) in
      FakeSession()
    }
    let parser = Parser(contract: contract, options: options.parsing, finder: finder) {
      _ throws(RunFailure) in
      DenseSession(onRun: onRun)
    }
    let batch = Batch(
      parser: parser, options: options.batch, model: ModelIdentity(name: "fake", sha256: "0"))
    let files = batch.check(plan(), cancellation: cancellation)
    return try await onOwnThread {
      batch.run(files, on: options.threads, cancellation: cancellation) { _ in }
    }
  }

  private func sidecars() throws -> Int {
    try folder.tree().keys.count { $0.hasSuffix(".m2fp.json") }
  }

  @Test func eachPersonIsARunMore() async throws {
    let counter = Counter()
    let summary = try await run { counter.increment() }
    #expect(summary.parsed == 3 && counter.increment() == 7)
  }

  @Test func aRunThatIsCancelledAmidCropsEndsWithThePhoto() async throws {
    let cancellation = Cancellation()
    let counter = Counter()
    let summary = try await run(cancellation: cancellation) {
      if counter.increment() == 4 { cancellation.cancel(.interrupted) }
    }
    #expect(summary.stop == .interrupted)
    #expect(summary.parsed == 2 && summary.remaining == 1 && summary.failed == 0)
    #expect(try sidecars() == 2)
    #expect(try await run().parsed == 1)
  }

  @Test(.timeLimit(.minutes(3))) func aCropThatHangsFailsItsPhotoAlone() async throws {
    let counter = Counter()
    let hang = DispatchSemaphore(value: 0)
    var options = options(jobs: 1)
    options.timeout = .seconds(8)
    let summary = try await run(options) { if counter.increment() == 4 { hang.wait() } }
    #expect(summary.failed == 1 && summary.parsed == 2 && summary.stop == nil)
    // Let go, the thread ends without an output.
    hang.signal()
    try await Task.sleep(for: .milliseconds(100))
    #expect(try sidecars() == 2)
    #expect(try await run().parsed == 1)
  }
}
