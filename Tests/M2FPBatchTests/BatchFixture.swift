import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import Synchronization
import SystemPackage
import TestSupport

@testable import M2FPBatch

/// Finds a face in the top half of every image and a human in all of it.
struct FakeSession: NetworkSession {
  var failure: FileFailure?
  var onRun: @Sendable () -> Void = {}

  func run<Result>(
    width: Int, height: Int,
    fill: (UnsafeMutableBufferPointer<Float>) -> Void,
    body: (NetworkOutput) -> Result
  ) throws(FileFailure) -> Result {
    onRun()
    var input = [Float](repeating: .nan, count: 3 * width * height)
    input.withUnsafeMutableBufferPointer { fill($0) }
    precondition(input.allSatisfy { !$0.isNaN }, "the input is filled whole")
    if let failure { throw failure }
    let (maskWidth, maskHeight) = (width / 4, height / 4)
    var classLogits = [Float](repeating: -10, count: 2 * 22)
    classLogits[13] = 10
    classLogits[22 + 20] = 10
    let area = maskWidth * maskHeight
    let face = (0..<area).map { Float($0 < area / 2 ? 8 : -8) }
    let masks = face + [Float](repeating: 8, count: area)
    return classLogits.withUnsafeBufferPointer { classLogits in
      masks.withUnsafeBufferPointer { masks in
        body(
          NetworkOutput(
            queries: 2, classes: 22, maskWidth: maskWidth, maskHeight: maskHeight,
            classLogits: classLogits, maskLogits: masks))
      }
    }
  }
}

/// A folder of photos, and runs over it with a fake network.
protocol BatchFixture {
  var folder: TemporaryFolder { get }
}

extension BatchFixture {
  var contract: ModelContract {
    ModelContract(
      formatVersion: 1, model: "fake", classes: (0..<20).map { "Class-\($0)" },
      palette: (0..<20).map { RGB(UInt8($0), 0, 0) },
      preprocess: .init(
        geometry: .multi(shortSide: 64, maxSide: 128), divisor: 32, mean: [0, 0, 0],
        std: [255, 255, 255]),
      postprocess: .init(
        mode: .parsing, parsingClasses: 20, humanIndex: 20, topK: 10, partScoreThreshold: 0.1,
        humanScoreThreshold: 0.1, semanticScoreThreshold: 0.5, maskThreshold: 0.5),
      licence: "none", commercialUse: true, sourceSHA256: "", torchVersion: "")
  }

  func addImage(_ name: String, width: Int = 40, height: Int = 30) throws {
    let image = RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height * 3)).map { UInt8(truncatingIfNeeded: $0 * name.utf8.count) })
    let bytes = try PNGEncoder.rgb(image).withUnsafeBytes { Array($0) }
    try folder.write(name, bytes)
  }

  func options(jobs: Int = 2, threads: Int = 1) -> BatchOptions {
    var options = BatchOptions()
    options.plan = ThreadPlan(jobs: jobs, threads: threads, files: 1, budget: .current())
    options.maskClasses = Set(1..<20)
    options.palette = contract.palette
    return options
  }

  /// Runs over all of the folder, outputs beside the inputs; outcomes by path.
  @discardableResult
  func run(
    _ options: BatchOptions? = nil, model: String = "0",
    cancellation: Cancellation = Cancellation(), isDryRun: Bool = false,
    session: @escaping Batch.SessionFactory = { () throws(RunFailure) in FakeSession() }
  ) throws -> (summary: BatchSummary, outcomes: [Outcome]) {
    let options = options ?? self.options()
    let network = ModelIdentity(name: "fake", sha256: model)
    let batch = Batch(
      options: options, contract: contract, network: network, makeSession: session)
    let inputs = InputDiscovery.inputs(under: [folder.filePath], recursive: true)
    let files = Batch.check(
      OutputPlan.plan(inputs, root: nil, naming: .stem), options: options, contract: contract,
      network: network, cancellation: cancellation)
    var outcomes: [Outcome] = []
    let summary =
      isDryRun
      ? batch.dryRun(files, cancellation: cancellation) { outcomes.append($0) }
      : batch.run(files, cancellation: cancellation) { outcomes.append($0) }
    return (
      summary,
      outcomes.sorted {
        $0.input.path.bytes.lexicographicallyPrecedes($1.input.path.bytes)
      }
    )
  }
}

/// Counts across threads.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)

  func increment() -> Int { value.wrappingAdd(1, ordering: .relaxed).newValue }
}
