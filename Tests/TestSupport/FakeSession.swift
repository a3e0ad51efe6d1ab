import M2FPCore

/// A network that is not there: it finds a face in the top half of every image and a human in all
/// of it, or several side by side.
package struct FakeSession: NetworkSession {
  /// What it throws in place of an answer.
  package var failure: FileFailure?
  /// The logit of the human everywhere.
  package var humanLogit: Float
  package var humans: Int
  package var onRun: @Sendable () -> Void

  package init(
    failure: FileFailure? = nil, humanLogit: Float = 8, humans: Int = 1,
    onRun: @escaping @Sendable () -> Void = {}
  ) {
    self.failure = failure
    self.humanLogit = humanLogit
    self.humans = humans
    self.onRun = onRun
  }

  /// What such a network promises.
  package static func contract(maxPersons: Int? = nil) -> ModelContract {
    ModelContract(
      model: "fake", classes: (0..<20).map { "Class-\($0)" },
      palette: (0..<20).map { RGB(UInt8($0), 0, 0) },
      preprocess: .init(
        geometry: .multi(shortSide: 64, maxSide: 128), divisor: 32, mean: [0, 0, 0],
        std: [255, 255, 255]),
      postprocess: .instances(
        .init(
          topK: 10, maxPersons: maxPersons, partScoreThreshold: 0.1, humanScoreThreshold: 0.1,
          semanticScoreThreshold: 0.5, maskThreshold: 0.5)),
      licence: "none", commercialUse: true, sourceSHA256: "", torchVersion: "")
  }

  package func run<Result>(
    width: Int, height: Int,
    fill: (UnsafeMutableBufferPointer<Float>) -> Void,
    body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    onRun()
    var input = [Float](repeating: .nan, count: 3 * width * height)
    input.withUnsafeMutableBufferPointer { fill($0) }
    precondition(input.allSatisfy { !$0.isNaN }, "the input is filled whole")
    if let failure { throw failure }
    let (maskWidth, maskHeight) = (width / 4, height / 4)
    let queries = 1 + humans
    var classLogits = [Float](repeating: -10, count: queries * 22)
    classLogits[13] = 10
    for query in 1..<queries { classLogits[query * 22 + 20] = 10 }
    let area = maskWidth * maskHeight
    let face = (0..<area).map { Float($0 < area / 2 ? 8 : -8) }
    let masks =
      face
      + (0..<humans).flatMap { human in
        (0..<area).map { $0 % maskWidth * humans / maskWidth == human ? humanLogit : -8 }
      }
    return try classLogits.withUnsafeBufferPointer { (classLogits) throws(FileFailure) in
      try masks.withUnsafeBufferPointer { (masks) throws(FileFailure) in
        try body(
          NetworkOutput(tensors: [
            .init(shape: [1, queries, 22], values: classLogits),
            .init(shape: [1, queries, maskHeight, maskWidth], values: masks),
          ]))
      }
    }
  }
}
