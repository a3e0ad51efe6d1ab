import M2FPCore

/// Masks and logits of any size on images of any shape: the kernels stay within their buffers, every pixel gets a
/// class, and threads do not matter.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPostprocess(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  var input = FuzzInput(bytes, count)
  let kind = input.take(0...2)
  let isParsing = kind == 1
  var contract = isParsing ? parsing : semantic
  var (contentWidth, contentHeight) = (input.take(1...20), input.take(1...20))
  // Up to a hundred times as large as the content, as a tall or wide image is; and smaller ones.
  let scale = [1, 3, 7, 40, 110][input.take(0...4)]
  var (imageWidth, imageHeight) = (
    max(1, contentWidth * scale + input.take(-3...3)), max(1, contentHeight * scale / 4)
  )
  guard imageWidth * imageHeight <= 1 << 15 else { return 0 }
  if input.take(0...15) == 0 {
    // By rounding, a single column of the image lies beyond the content's last.
    (contentWidth, contentHeight, imageWidth, imageHeight) = (3907, 1, 11_722, 3)
  }
  let (offsetX, offsetY) = (input.take(0...5), input.take(0...5))
  let geometry = NetworkGeometry(
    imageWidth: imageWidth, imageHeight: imageHeight, contentWidth: contentWidth,
    contentHeight: contentHeight, offsetX: offsetX, offsetY: offsetY,
    inputWidth: max(contentWidth + offsetX + input.take(0...5), 12),
    inputHeight: max(contentHeight + offsetY + input.take(0...5), 12),
    fitting: kind == 2 && input.take(0...3) == 0 ? .warped : .resized)
  let maskWidth = max(3, geometry.inputWidth / 4), maskHeight = max(3, geometry.inputHeight / 4)
  if kind == 2 { return checkDense(&input, geometry) }
  if isParsing, input.take(0...1) == 1 { contract = refining(&input) }
  let passes = input.take(1...2)
  let (queries, classes) = (passes * input.take(1...5), contract.networkClasses)
  let picture = RGBImage(
    width: contentWidth, height: contentHeight,
    pixels: input.fill(3 * contentWidth * contentHeight, below: 256))
  let masks = (0..<queries * maskWidth * maskHeight).map { _ in Float(input.take(-180...180)) / 9 }
  let logits = (0..<queries * classes).map { _ in Float(input.take(-90...90)) / 9 }
  let rules = PersonRules(
    minScore: Float(input.take(0...9)) / 10, minSize: .pixels(input.take(0...40)),
    maxOverlap: Float(input.take(1...10)) / 10)
  let results = [1, 3].map { threads in
    logits.withUnsafeBufferPointer { logits in
      masks.withUnsafeBufferPointer { masks in
        let output = NetworkOutput(tensors: [
          .init(shape: [1, queries, classes], values: logits),
          .init(shape: [1, queries, maskHeight, maskWidth], values: masks),
        ])
        guard
          let result = try? Postprocessor(contract: contract, threads: threads).run(
            output, passes: passes, geometry: geometry, picture: picture, persons: rules)
        else { preconditionFailure("the output has the shapes of the contract") }
        return result
      }
    }
  }
  check(results, contract, geometry)
  return 0
}

/// Logits of a photo and of crops of it.
private func checkCrops(_ input: inout FuzzInput, _ geometry: NetworkGeometry) -> Int32 {
  let stride = input.take(1...4)
  let contract = contract(
    .dense(
      .init(
        stride: stride, alignsCorners: input.take(0...1) == 1,
        crops: .init(margin: 0.1, outside: input.take(0...1) == 1 ? .whole : .background))))
  let shape = [
    1, contract.classes.count, (geometry.inputHeight + stride - 1) / stride,
    (geometry.inputWidth + stride - 1) / stride,
  ]
  let crops = CropLogits()
  let (width, height) = (geometry.imageWidth, geometry.imageHeight)
  var boxes = [Instance.Box(x: 0, y: 0, width: width, height: height)]
  for _ in 0..<input.take(0...4) {
    let (x, y) = (input.take(0...width - 1), input.take(0...height - 1))
    let box = Instance.Box(
      x: x, y: y, width: input.take(1...width - x), height: input.take(1...height - y))
    boxes.append(box.widened(by: Double(input.take(0...10)) / 10, within: width, height))
  }
  for box in boxes {
    let logits = (0..<shape.reduce(1, *)).map { _ in Float(input.take(-180...180)) / 9 }
    let geometry = NetworkGeometry(
      imageWidth: box.width, imageHeight: box.height, contentWidth: geometry.contentWidth,
      contentHeight: geometry.contentHeight, offsetX: geometry.offsetX, offsetY: geometry.offsetY,
      inputWidth: geometry.inputWidth, inputHeight: geometry.inputHeight,
      fitting: geometry.fitting)
    logits.withUnsafeBufferPointer {
      guard
        (try? crops.add(
          NetworkOutput(tensors: [.init(shape: shape, values: $0)]), of: contract,
          geometry: geometry, box: box))
          != nil
      else { preconditionFailure("the output has the shape of the contract") }
    }
  }
  let person = Person(
    score: 1, parsingScore: 1, pixelCount: width * height, box: boxes[0], parts: [])
  let found = ParsingResult(
    labels: LabelMap(width: 1, height: 1, pixels: [0]), parts: [], humans: [],
    persons: Persons(
      map: LabelMap(
        width: width, height: height, pixels: (0..<width * height).map { UInt8($0 % 2) }),
      list: [person]), classPixelCounts: [], classScores: [])
  let results = [1, 3].map {
    Postprocessor(contract: contract, threads: $0).run(crops, found: found, persons: .all)
  }
  check(results, contract, geometry)
  precondition(results[0].persons == results[1].persons)
  return 0
}

/// Logits of a dense network, and those of the mirror image where the input asks for them.
private func checkDense(_ input: inout FuzzInput, _ geometry: NetworkGeometry) -> Int32 {
  if input.take(0...2) == 0 { return checkCrops(&input, geometry) }
  let stride = input.take(1...4)
  let contract = contract(.dense(.init(stride: stride, alignsCorners: input.take(0...1) == 1)))
  let shape = [
    1, contract.classes.count, (geometry.inputHeight + stride - 1) / stride,
    (geometry.inputWidth + stride - 1) / stride,
  ]
  let isMirrored = input.take(0...1) == 1
  let logits = (0..<shape.reduce(1, *)).map { _ in Float(input.take(-180...180)) / 9 }
  let results = [1, 3].map { threads in
    logits.withUnsafeBufferPointer { logits in
      let output = NetworkOutput(tensors: [.init(shape: shape, values: logits)])
      let postprocessor = Postprocessor(contract: contract, threads: threads)
      do throws(FileFailure) {
        guard isMirrored else {
          return try postprocessor.run(output, geometry: geometry, persons: .all)
        }
        let passes = MirroredPasses(contract: contract)
        try passes.keep(output, geometry: geometry)
        return try passes.withBoth(mirrored: output, geometry: geometry) {
          (output) throws(FileFailure) in
          try postprocessor.run(output, passes: 2, geometry: geometry, persons: .all)
        }
      } catch {
        preconditionFailure("the output has the shape of the contract: \(error.message)")
      }
    }
  }
  check(results, contract, geometry)
  return 0
}

/// Every pixel has a class, whatever the number of threads.
private func check(
  _ results: [ParsingResult], _ contract: ModelContract, _ geometry: NetworkGeometry
) {
  let labels = results[0].labels.pixels
  precondition(labels.count == geometry.imageWidth * geometry.imageHeight)
  precondition(labels.allSatisfy { $0 < contract.classes.count })
  precondition(results[0].classPixelCounts.reduce(0, +) == labels.count)
  precondition(results[1].labels == results[0].labels)
  precondition(results[1].classPixelCounts == results[0].classPixelCounts)
}

private func contract(_ postprocess: ModelContract.Postprocess) -> ModelContract {
  ModelContract(
    model: "fuzz", classes: ["Background", "Hat", "Hair", "Face"],
    palette: [RGB(0, 0, 0), RGB(255, 0, 0), RGB(0, 255, 0), RGB(0, 0, 255)],
    preprocess: .init(
      geometry: .multi(shortSide: 32, maxSide: 64), divisor: 4, mean: [0, 0, 0], std: [1, 1, 1]),
    postprocess: postprocess, licence: "", commercialUse: true, sourceSHA256: "", torchVersion: "")
}

/// One whose masks are refined in some way.
private func refining(_ input: inout FuzzInput) -> ModelContract {
  contract(
    .instances(
      .init(
        topK: 6, partScoreThreshold: 0.05, humanScoreThreshold: 0.05, semanticScoreThreshold: 0.3,
        maskThreshold: 0.4,
        refine: .init(
          radius: input.take(1...16), epsilon: 1e-3, fillThreshold: Float(input.take(0...10)) / 10,
          holeArea: Double(input.take(0...10)) / 20, islandArea: Double(input.take(0...10)) / 20,
          leastCover: Double(input.take(0...10)) / 10))))
}

private let parsing = contract(
  .instances(
    .init(
      topK: 6, partScoreThreshold: 0.05, humanScoreThreshold: 0.05, semanticScoreThreshold: 0.3,
      maskThreshold: 0.4)))
private let semantic = contract(.querySemantic)
