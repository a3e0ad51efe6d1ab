import Foundation
import M2FPCore

/// A contract that is accepted can be worked with: whatever it says, images of all shapes get a
/// size in the network, and an output gets its labels.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzContract(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let contract: ModelContract
  do {
    contract = try ModelContract(json: Data(bytes: bytes, count: count), path: "model.pt")
  } catch {
    precondition(error.kind == .modelContract && !error.message.isEmpty)
    return 0
  }
  for (width, height) in [(1, 1), (1, 30_000), (30_000, 1), (640, 480), (10_000, 10_000)] {
    for maxSide in [0, 800] {
      let geometry = NetworkGeometry(
        imageWidth: width, imageHeight: height, preprocess: contract.preprocess, maxSide: maxSide)
      precondition(geometry.offsetX >= 0 && geometry.offsetY >= 0)
      precondition(geometry.contentWidth >= 1 && geometry.contentHeight >= 1)
      precondition(geometry.offsetX + geometry.contentWidth <= geometry.inputWidth)
      precondition(geometry.offsetY + geometry.contentHeight <= geometry.inputHeight)
      precondition(geometry.inputWidth % contract.preprocess.divisor == 0)
      precondition(3 * geometry.inputWidth * geometry.inputHeight < Int(Int32.max))
    }
  }
  _ = Preprocessor(contract.preprocess, maxSide: 800)
  checkPostprocess(contract)
  return 0
}

/// Two queries, each sure of a class, on masks of 8 × 8; or logits at 3 × 3 places.
private func checkPostprocess(_ contract: ModelContract) {
  if case .dense(let rules) = contract.postprocess { return checkDense(contract, rules.stride) }
  let (side, image, queries, classes) = (8, 16, 2, contract.networkClasses)
  var logits = [Float](repeating: 0, count: queries * classes)
  logits[1] = 9
  logits[classes + contract.classes.count - 1] = 9
  let masks = (0..<(queries * side * side)).map { Float($0 % 7) - 3 }
  let geometry = NetworkGeometry(
    imageWidth: image, imageHeight: image, contentWidth: image, contentHeight: image, offsetX: 0,
    offsetY: 0, inputWidth: image, inputHeight: image)
  logits.withUnsafeBufferPointer { logits in
    masks.withUnsafeBufferPointer { masks in
      let output = NetworkOutput(tensors: [
        .init(shape: [1, queries, classes], values: logits),
        .init(shape: [1, queries, side, side], values: masks),
      ])
      guard
        let result = try? Postprocessor(contract: contract, threads: 1).run(
          output, geometry: geometry,
          persons: PersonRules(minScore: 0, minSize: .pixels(1), maxOverlap: 1))
      else { preconditionFailure("the output has the shapes of the contract") }
      precondition(result.labels.pixels.allSatisfy { $0 < contract.classes.count })
      precondition(result.classPixelCounts.reduce(0, +) == image * image)
    }
  }
}

private func checkDense(_ contract: ModelContract, _ stride: Int) {
  let (image, input) = (16, 3 * stride)
  let geometry = NetworkGeometry(
    imageWidth: image, imageHeight: image, contentWidth: input, contentHeight: input, offsetX: 0,
    offsetY: 0, inputWidth: input, inputHeight: input)
  let logits = (0..<contract.classes.count * 9).map { Float($0 % 11) - 5 }
  logits.withUnsafeBufferPointer { logits in
    guard
      let result = try? Postprocessor(contract: contract, threads: 1).run(
        NetworkOutput(tensors: [.init(shape: [1, contract.classes.count, 3, 3], values: logits)]),
        geometry: geometry, persons: .all)
    else { preconditionFailure("the output has the shape of the contract") }
    precondition(result.labels.pixels.allSatisfy { $0 < contract.classes.count })
    precondition(result.classPixelCounts.reduce(0, +) == image * image)
  }
}
