import CPostprocess

/// Turns what the network returned into labels, parts and humans at the image's own size.
///
/// It computes what ModelScope's M2FP pipeline computes (there, every one of 100 masks is made at
/// full size first). One postprocessor serves one worker; it keeps its scratch memory, a few MB for
/// each thread, between images.
public final class Postprocessor {
  private let contract: ModelContract
  private let team: ThreadTeam<Workspace>
  private var probabilities = ScratchBuffer<Float>()

  /// Makes one for a model.
  ///
  /// - Parameters:
  ///   - contract: The model's contract.
  ///   - threads: How many threads share the work, the caller's included. Results do not depend on
  ///     it.
  public init(contract: ModelContract, threads: Int) {
    self.contract = contract
    team = ThreadTeam(threads: threads) { Workspace() }
  }

  /// Reads one image's output.
  ///
  /// - Parameters:
  ///   - output: What the network returned; only read during the call.
  ///   - geometry: Where the image lay in the network's input.
  ///   - persons: Which humans to take for persons; nil for no persons.
  /// - Returns: The result at the image's own size.
  /// - Throws: ``FileFailure`` of stage `infer` where the output is not what the contract promises.
  public func run(
    _ output: NetworkOutput, geometry: NetworkGeometry, persons: PersonRules?
  ) throws(FileFailure) -> ParsingResult {
    let output = try QueryOutput(output, contract: contract, geometry: geometry)
    guard let maskLogits = output.maskLogits.baseAddress else {
      preconditionFailure("a network has queries")
    }
    let masks = Masks(
      logits: maskLogits, width: output.maskWidth, height: output.maskHeight, geometry: geometry)
    let probabilities = classProbabilities(output)
    switch contract.postprocess {
    case .querySemantic:
      return SingleHumanMerger.parse(
        masks, probabilities, queries: output.queries, classes: contract.classes.count,
        persons: persons, team: team)
    case .instances(let rules):
      return parse(
        masks, probabilities, queries: output.queries, rules: rules, persons: persons)
    }
  }

  /// Softmax over the classes, "no object" included in the sum but left out of the result:
  /// `queries × (classes − 1)` values.
  private func classProbabilities(_ output: QueryOutput) -> UnsafeMutablePointer<Float> {
    let kept = output.classes - 1
    let result = probabilities.reserve(output.queries * kept)
    for query in 0..<output.queries {
      let logits = output.classLogits[query * output.classes..<(query + 1) * output.classes]
      let largest = logits.max() ?? 0
      var sum: Float = 0
      for (index, logit) in logits.enumerated() {
        let value = m2fp_post_exp(logit - largest)
        sum += value
        if index < kept { result[query * kept + index] = value }
      }
      for index in 0..<kept { result[query * kept + index] /= sum }
    }
    return result
  }

  private func parse(
    _ masks: Masks, _ probabilities: UnsafePointer<Float>, queries: Int,
    rules: ModelContract.InstanceRules, persons: PersonRules?
  ) -> ParsingResult {
    let parsingClasses = contract.classes.count
    let human = parsingClasses
    let classes = parsingClasses + 1

    /// Whether an instance of this class and score is of any use. As no mask scores above its
    /// best cell, a bound that fails rules a pair out before its mask is resized.
    func isMerged(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex < human && score >= rules.semanticScoreThreshold && score > rules.maskThreshold
    }
    func isPart(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex != 0 && classIndex != human && score >= rules.partScoreThreshold
    }
    func isHuman(_ classIndex: Int, _ score: Float) -> Bool {
      classIndex == human && score > rules.humanScoreThreshold
    }

    // The best `topK` pairs, equal ones by index; pairs below every threshold never matter, and
    // leaving them out first does not change which of the others are among the best.
    let lowest = min(
      rules.partScoreThreshold, rules.humanScoreThreshold, rules.semanticScoreThreshold)
    var pairs: [(index: Int, score: Float)] = []
    for index in 0..<queries * classes where probabilities[index] >= lowest {
      pairs.append((index, probabilities[index]))
    }
    pairs.sort { $0.score != $1.score ? $0.score > $1.score : $0.index < $1.index }

    /// The most that the mask of a query can score: interpolation makes no value larger than the
    /// largest it starts from. The margin covers rounding.
    func bound(_ query: Int) -> Float {
      min(1, 1 / (1 + m2fp_post_exp(-m2fp_post_max(masks[query], Int32(masks.size)))) + 1e-5)
    }
    var bounds: [Int: Float] = [:]
    let promising = pairs.prefix(rules.topK).filter { pair in
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      let best = bounds[query] ?? bound(query)
      bounds[query] = best
      let score = pair.score * best
      return isMerged(classIndex, score) || isPart(classIndex, score) || isHuman(classIndex, score)
    }

    let inPatches = PatchSampler.suits(masks.geometry, layers: rules.topK)
    let wanted = Set(promising.map { $0.index / classes }).sorted()
    let statistics = Dictionary(
      uniqueKeysWithValues: zip(
        wanted,
        team.map(wanted) { memory, query in
          if inPatches {
            memory.patchSampler.prepare(masks, regions: rules.topK)
            return memory.patchSampler.statistics(of: masks[query])
          } else {
            memory.sampler.prepare(masks, regions: rules.topK)
            return memory.sampler.statistics(
              of: masks[query], imageWidth: masks.geometry.imageWidth)
          }
        }))

    var parts: [Instance] = []
    var humans: [Instance] = []
    var merged: [Instance] = []
    for pair in promising {
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      guard let mask = statistics[query] else { continue }
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
    let (width, height) = (masks.geometry.imageWidth, masks.geometry.imageHeight)
    let labels = team.filledMap(width, height) { labels in
      if inPatches {
        team.forEachChunk(masks.geometry.contentHeight, chunksOf: PatchSampler.bandsAShare) {
          memory, bands in
          memory.patchSampler.prepare(masks, regions: rules.topK)
          memory.patchSampler.merge(
            layers, masks, maskThreshold: rules.maskThreshold, bands: bands, labels: labels)
        }
      } else {
        team.forEachChunk(height, chunksOf: SemanticMerger.tileHeight) { memory, rows in
          memory.sampler.prepare(masks, regions: rules.topK)
          memory.merger.merge(
            layers, masks, maskThreshold: rules.maskThreshold, rows: rows, sampler: &memory.sampler,
            labels: labels)
        }
      }
    }
    let counts = team.countLabels(labels, classes: parsingClasses)
    return ParsingResult(
      labels: labels, parts: parts, humans: humans,
      persons: persons.map {
        Persons.assemble(
          humans: humans, merged: merged, labels: labels, classes: parsingClasses,
          masks: masks, maskThreshold: rules.maskThreshold, rules: $0, team: team)
      }, classPixelCounts: counts,
      classScores: (0..<parsingClasses).map { classIndex in
        counts[classIndex] == 0 ? nil : merged.first { $0.classIndex == classIndex }?.score
      })
  }
}

/// What one thread of a postprocess works in; its memory is kept between images.
final class Workspace {
  var sampler = MaskSampler()
  var merger = SemanticMerger()
  var patchSampler = PatchSampler()
  var singleHuman = SingleHumanMerger()
  var rowMerger = ClassRowMerger()
}
