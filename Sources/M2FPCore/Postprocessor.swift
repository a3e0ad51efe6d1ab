import CRowKernels

/// Turns what the network returned into labels, parts and humans at the image's own size.
///
/// It computes what ModelScope's M2FP pipeline computes (there, every one of 100 masks is made at
/// full size first). One postprocessor serves one worker; it keeps its scratch memory, a few MB,
/// between images.
public final class Postprocessor {
  private let rules: ModelContract.Postprocess
  private var sampler = MaskSampler()
  private var merger = SemanticMerger()
  private var patchSampler = PatchSampler()
  private var singleHuman = SingleHumanMerger()
  private var probabilities = ScratchBuffer<Float>()

  /// Makes one for a model.
  ///
  /// - Parameter contract: The model's contract. In mode `parsing` all of its thresholds and
  ///   `topK` must be there.
  public init(contract: ModelContract) {
    rules = contract.postprocess
  }

  /// Reads one image's output.
  ///
  /// - Parameters:
  ///   - output: What the network returned; only read during the call.
  ///   - geometry: Where the image lay in the network's input.
  ///   - persons: Which humans to take for persons; nil for no persons.
  /// - Returns: The result at the image's own size.
  /// - Precondition: `output` has the contract's classes and "no object", and masks of at least
  ///   3 × 3 and at most the input's size.
  public func run(
    _ output: NetworkOutput, geometry: NetworkGeometry, persons: PersonRules?
  ) -> ParsingResult {
    precondition(
      output.classes == rules.parsingClasses + (rules.humanIndex == nil ? 0 : 1) + 1,
      "the network's classes are the contract's")
    guard let maskLogits = output.maskLogits.baseAddress else {
      preconditionFailure("a network has queries")
    }
    let probabilities = classProbabilities(output)
    switch rules.mode {
    case .semantic:
      return singleHuman.merge(
        output, maskLogits, probabilities, classes: rules.parsingClasses, geometry: geometry,
        persons: persons)
    case .parsing:
      return parse(output, maskLogits, probabilities, geometry, persons: persons)
    }
  }

  /// Softmax over the classes, "no object" included in the sum but left out of the result:
  /// `queries × (classes − 1)` values.
  private func classProbabilities(_ output: NetworkOutput) -> UnsafeMutablePointer<Float> {
    let kept = output.classes - 1
    let result = probabilities.reserve(output.queries * kept)
    for query in 0..<output.queries {
      let logits = output.classLogits[query * output.classes..<(query + 1) * output.classes]
      let largest = logits.max() ?? 0
      var sum: Float = 0
      for (index, logit) in logits.enumerated() {
        let value = m2fp_exp(logit - largest)
        sum += value
        if index < kept { result[query * kept + index] = value }
      }
      for index in 0..<kept { result[query * kept + index] /= sum }
    }
    return result
  }

  private func parse(
    _ output: NetworkOutput, _ maskLogits: UnsafePointer<Float>,
    _ probabilities: UnsafePointer<Float>, _ geometry: NetworkGeometry, persons: PersonRules?
  ) -> ParsingResult {
    guard let topK = rules.topK, let partThreshold = rules.partScoreThreshold,
      let humanThreshold = rules.humanScoreThreshold,
      let semanticThreshold = rules.semanticScoreThreshold,
      let maskThreshold = rules.maskThreshold
    else { preconditionFailure("a parsing contract has its thresholds") }

    /// Whether an instance of this class and score is of any use. As no mask scores above its
    /// best cell, a bound that fails rules a pair out before its mask is resized.
    func isMerged(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex < rules.parsingClasses && score >= semanticThreshold && score > maskThreshold
    }
    func isPart(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex != 0 && classIndex != rules.humanIndex && score >= partThreshold
    }
    func isHuman(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex == rules.humanIndex && score > humanThreshold
    }

    // The best `topK` pairs, equal ones by index; pairs below every threshold never matter, and
    // leaving them out first does not change which of the others are among the best.
    let classes = output.classes - 1
    let lowest = min(partThreshold, humanThreshold, semanticThreshold)
    var pairs: [(index: Int, score: Float)] = []
    for index in 0..<output.queries * classes where probabilities[index] >= lowest {
      pairs.append((index, probabilities[index]))
    }
    pairs.sort { $0.score != $1.score ? $0.score > $1.score : $0.index < $1.index }

    let maskSize = output.maskWidth * output.maskHeight
    sampler.prepare(
      maskWidth: output.maskWidth, maskHeight: output.maskHeight, geometry: geometry,
      regions: topK)
    let inPatches = PatchSampler.suits(geometry, layers: topK)
    if inPatches {
      patchSampler.prepare(
        maskWidth: output.maskWidth, maskHeight: output.maskHeight, geometry: geometry,
        regions: topK)
    }
    func maskStatistics(_ query: Int) -> MaskStatistics {
      let logits = maskLogits + query * maskSize
      return inPatches
        ? patchSampler.statistics(of: logits) : sampler.statistics(of: logits, geometry)
    }
    /// The most that the mask of a query can score: interpolation makes no value larger than the
    /// largest it starts from. The margin covers rounding.
    func bound(_ query: Int) -> Float {
      let cells = UnsafeBufferPointer(start: maskLogits + query * maskSize, count: maskSize)
      return min(1, 1 / (1 + m2fp_exp(-cells.reduce(-.infinity, max))) + 1e-5)
    }

    var bounds = [Float?](repeating: nil, count: output.queries)
    var statistics = [MaskStatistics?](repeating: nil, count: output.queries)
    var parts: [Instance] = []
    var humans: [Instance] = []
    var merged: [Instance] = []
    for pair in pairs.prefix(topK) {
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      let best = bounds[query] ?? bound(query)
      bounds[query] = best
      guard
        isMerged(classIndex, pair.score * best) || isPart(classIndex, pair.score * best)
          || isHuman(classIndex, pair.score * best)
      else { continue }
      let mask = statistics[query] ?? maskStatistics(query)
      statistics[query] = mask
      let score = pair.score * mask.score
      let instance = Instance(
        query: query, classIndex: classIndex, classScore: pair.score, score: score,
        pixelCount: mask.pixelCount, box: mask.box)
      if isPart(classIndex, score) { parts.append(instance) }
      if isHuman(classIndex, score) { humans.append(instance) }
      if isMerged(classIndex, score) { merged.append(instance) }
    }
    // Pairs come by class score; the sort is stable, so equal scores keep that order.
    parts.sort { $0.score > $1.score }
    humans.sort { $0.score > $1.score }
    merged.sort { $0.score > $1.score }

    // By class, and within a class by ascending score, the order in which the reference adds.
    var layers = Array(merged.reversed())
    layers.sort { $0.classIndex < $1.classIndex }
    let labels =
      inPatches
      ? patchSampler.merge(layers, maskLogits, maskSize, maskThreshold: maskThreshold)
      : merger.merge(
        layers, maskLogits, maskSize, maskThreshold: maskThreshold, geometry: geometry,
        sampler: &sampler)
    let counts = countLabels(labels, classes: rules.parsingClasses)
    return ParsingResult(
      labels: labels, parts: parts, humans: humans,
      persons: persons.map {
        Persons.assemble(
          humans: humans, merged: merged, labels: labels, classes: rules.parsingClasses,
          maskLogits: maskLogits, maskSize: maskSize, maskThreshold: maskThreshold, rules: $0,
          sampler: &sampler)
      }, classPixelCounts: counts,
      classScores: (0..<rules.parsingClasses).map { classIndex in
        counts[classIndex] == 0 ? nil : merged.first { $0.classIndex == classIndex }?.score
      })
  }
}

/// How many pixels have each class.
func countLabels(_ map: LabelMap, classes: Int) -> [Int] {
  // Four counters for each label, so that neighbours that are alike do not wait for one another.
  var counters = [Int](repeating: 0, count: 4 * 256)
  counters.withUnsafeMutableBufferPointer { counters in
    map.labels.withUnsafeBytes { labels in
      // Neighbours are mostly alike: eight at a time where they are.
      let words = labels.count / 8
      for word in 0..<words {
        let value = labels.loadUnaligned(fromByteOffset: word * 8, as: UInt64.self)
        if value == (value & 0xFF) &* 0x0101_0101_0101_0101 {
          counters[4 * Int(value & 0xFF)] += 8
        } else {
          for byte in 0..<8 {
            counters[4 * Int(truncatingIfNeeded: value >> (8 * byte) & 0xFF) + byte % 4] += 1
          }
        }
      }
      for byte in words * 8..<labels.count { counters[4 * Int(labels[byte])] += 1 }
    }
  }
  return (0..<classes).map { counters[4 * $0..<4 * $0 + 4].reduce(0, +) }
}
