import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport

@testable import M2FP
@testable import M2FPBatch

/// Makes the session of a worker.
typealias SessionFactory = @Sendable () throws(RunFailure) -> any NetworkSession

/// All that a run is given.
@dynamicMemberLookup
struct RunOptions {
  var parsing = ParserOptions()
  var threads: ThreadPlan
  var batch = BatchOptions()

  subscript<Value>(dynamicMember key: WritableKeyPath<BatchOptions, Value>) -> Value {
    get { batch[keyPath: key] }
    set { batch[keyPath: key] = newValue }
  }
}

/// A folder of photos, and runs over it with a fake network.
protocol BatchFixture: Sendable {
  var folder: TemporaryFolder { get }
}

extension BatchFixture {
  var contract: ModelContract { FakeSession.contract() }

  func addImage(_ name: String, width: Int = 40, height: Int = 30) throws {
    let image = Photo.pattern(width: width, height: height, factor: name.utf8.count)
    try folder.write(name, PNGEncoder.rgb(image).data)
  }

  func options(jobs: Int = 2, threads: Int = 1) -> RunOptions {
    var options = RunOptions(
      threads: ThreadPlan(jobs: jobs, threads: threads, files: 1, budget: .current()))
    options.parsing.outputs.masks = Set(1..<20)
    options.parsing.outputs.palette = contract.palette
    options.parsing.persons = .all
    options.parsing.outputs.personMap = false
    options.version = "test"
    return options
  }

  /// All of the folder, outputs beside the inputs.
  func plan() -> [PlannedFile] {
    OutputPlan.plan(
      InputDiscovery.inputs(under: [folder.filePath], recursive: true), root: nil, naming: .stem)
  }

  func batch(
    _ options: RunOptions, model: String = "0", maxPersons: Int? = nil,
    session: @escaping SessionFactory
  ) -> Batch {
    let parser = Parser(
      contract: FakeSession.contract(maxPersons: maxPersons), options: options.parsing
    ) {
      _ throws(RunFailure) in
      try session()
    }
    return Batch(
      parser: parser, options: options.batch, model: ModelIdentity(name: "fake", sha256: model))
  }

  /// Runs over all of the folder; outcomes by path.
  @discardableResult
  func run(
    _ options: RunOptions? = nil, model: String = "0",
    cancellation: Cancellation = Cancellation(), isDryRun: Bool = false, maxPersons: Int? = nil,
    session: @escaping SessionFactory = { () throws(RunFailure) in FakeSession() }
  ) throws -> (summary: BatchSummary, outcomes: [Outcome]) {
    let options = options ?? self.options()
    let batch = batch(options, model: model, maxPersons: maxPersons, session: session)
    let files = batch.check(plan(), cancellation: cancellation)
    var outcomes: [Outcome] = []
    let summary =
      isDryRun
      ? batch.dryRun(files, cancellation: cancellation) { outcomes.append($0) }
      : batch.run(files, on: options.threads, cancellation: cancellation) { outcomes.append($0) }
    return (
      summary,
      outcomes.sorted {
        $0.input.path.bytes.lexicographicallyPrecedes($1.input.path.bytes)
      }
    )
  }

  /// The same for a run that waits for something: it has a thread of its own.
  @discardableResult
  func run(
    _ options: RunOptions? = nil, cancellation: Cancellation = Cancellation(),
    session: @escaping SessionFactory = { () throws(RunFailure) in FakeSession() }
  ) async throws -> (summary: BatchSummary, outcomes: [Outcome]) {
    try await onOwnThread { try run(options, cancellation: cancellation, session: session) }
  }
}
