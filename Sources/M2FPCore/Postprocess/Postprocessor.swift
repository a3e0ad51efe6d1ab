import CPostprocess

/// Turns what the network returned into labels, parts and humans at the image's own size.
///
/// It computes what ModelScope's M2FP pipeline computes (there, every one of 100 masks is made at
/// full size first). One postprocessor serves one worker; it keeps its scratch memory, a few MB for
/// each thread, between images.
public final class Postprocessor {
  private let rules: ModelContract.Postprocess
  private let team: ThreadTeam<Workspace>
  private var probabilities = ScratchBuffer<Float>()

  /// Makes one for a model.
  ///
  /// - Parameters:
  ///   - contract: The model's contract. In mode `parsing` all of its thresholds and `topK` must be
  ///     there.
  ///   - threads: How many threads share the work, the caller's included. Results do not depend on
  ///     it.
  public init(contract: ModelContract, threads: Int) {
    rules = contract.postprocess
    team = ThreadTeam(threads: threads) { Workspace() }
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
    let masks = Masks(
      logits: maskLogits, width: output.maskWidth, height: output.maskHeight, geometry: geometry)
    let probabilities = classProbabilities(output)
    switch rules.mode {
    case .semantic:
      return SingleHumanMerger.parse(
        masks, probabilities, queries: output.queries, classes: rules.parsingClasses,
        persons: persons, team: team)
    case .parsing:
      return parse(
        masks, probabilities, queries: output.queries, classes: output.classes - 1,
        persons: persons)
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
        let value = m2fp_post_exp(logit - largest)
        sum += value
        if index < kept { result[query * kept + index] = value }
      }
      for index in 0..<kept { result[query * kept + index] /= sum }
    }
    return result
  }

  private func parse(
    _ masks: Masks, _ probabilities: UnsafePointer<Float>, queries: Int, classes: Int,
    persons: PersonRules?
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
    let lowest = min(partThreshold, humanThreshold, semanticThreshold)
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
    let promising = pairs.prefix(topK).filter { pair in
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      let best = bounds[query] ?? bound(query)
      bounds[query] = best
      let score = pair.score * best
      return isMerged(classIndex, score) || isPart(classIndex, score) || isHuman(classIndex, score)
    }

    let inPatches = PatchSampler.suits(masks.geometry, layers: topK)
    let wanted = Set(promising.map { $0.index / classes }).sorted()
    let statistics = Dictionary(
      uniqueKeysWithValues: zip(
        wanted,
        team.map(wanted) { memory, query in
          if inPatches {
            memory.patchSampler.prepare(masks, regions: topK)
            return memory.patchSampler.statistics(of: masks[query])
          } else {
            memory.sampler.prepare(masks, regions: topK)
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
          memory.patchSampler.prepare(masks, regions: topK)
          memory.patchSampler.merge(
            layers, masks, maskThreshold: maskThreshold, bands: bands, labels: labels)
        }
      } else {
        team.forEachChunk(height, chunksOf: SemanticMerger.tileHeight) { memory, rows in
          memory.sampler.prepare(masks, regions: topK)
          memory.merger.merge(
            layers, masks, maskThreshold: maskThreshold, rows: rows, sampler: &memory.sampler,
            labels: labels)
        }
      }
    }
    let counts = team.countLabels(labels, classes: rules.parsingClasses)
    return ParsingResult(
      labels: labels, parts: parts, humans: humans,
      persons: persons.map {
        Persons.assemble(
          humans: humans, merged: merged, labels: labels, classes: rules.parsingClasses,
          masks: masks, maskThreshold: maskThreshold, rules: $0, team: team)
      }, classPixelCounts: counts,
      classScores: (0..<rules.parsingClasses).map { classIndex in
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
}
