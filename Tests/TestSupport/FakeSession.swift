import M2FPCore

/// A network that is not there: it finds a face in the top half of every image and a human in all
/// of it.
package struct FakeSession: NetworkSession {
  /// What it throws in place of an answer.
  package var failure: FileFailure?
  /// The logit of the human everywhere.
  package var humanLogit: Float
  package var onRun: @Sendable () -> Void

  package init(
    failure: FileFailure? = nil, humanLogit: Float = 8,
    onRun: @escaping @Sendable () -> Void = {}
  ) {
    self.failure = failure
    self.humanLogit = humanLogit
    self.onRun = onRun
  }

  /// What such a network promises.
  package static var contract: ModelContract {
    ModelContract(
      model: "fake", classes: (0..<20).map { "Class-\($0)" },
      palette: (0..<20).map { RGB(UInt8($0), 0, 0) },
      preprocess: .init(
        geometry: .multi(shortSide: 64, maxSide: 128), divisor: 32, mean: [0, 0, 0],
        std: [255, 255, 255]),
      postprocess: .instances(
        .init(
          topK: 10, partScoreThreshold: 0.1, humanScoreThreshold: 0.1, semanticScoreThreshold: 0.5,
          maskThreshold: 0.5)),
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
    var classLogits = [Float](repeating: -10, count: 2 * 22)
    classLogits[13] = 10
    classLogits[22 + 20] = 10
    let area = maskWidth * maskHeight
    let face = (0..<area).map { Float($0 < area / 2 ? 8 : -8) }
    let masks = face + [Float](repeating: humanLogit, count: area)
    return try classLogits.withUnsafeBufferPointer { (classLogits) throws(FileFailure) in
      try masks.withUnsafeBufferPointer { (masks) throws(FileFailure) in
        try body(
          NetworkOutput(tensors: [
            .init(shape: [1, 2, 22], values: classLogits),
            .init(shape: [1, 2, maskHeight, maskWidth], values: masks),
          ]))
      }
    }
  }
}
