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
  private var refiner = MaskRefiner()
  private var fusedParts = InstanceFusion()
  private var fusedHumans = InstanceFusion()

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
  ///   - passes: How many runs of the network it comes from, each with as many queries
  ///     (``MirroredPasses``); those of a dense network are one.
  ///   - geometry: Where the image lay in the network's input.
  ///   - picture: The image at the size it has there, by which masks are refined if the contract says
  ///     how; nil for masks as they are.
  ///   - persons: Which humans to take for persons; nil for no persons.
  /// - Returns: The result at the image's own size.
  /// - Throws: ``FileFailure`` of stage `infer` where the output is not what the contract promises, or
  ///   is no numbers.
  public func run(
    _ output: NetworkOutput, passes: Int = 1, geometry: NetworkGeometry, picture: RGBImage? = nil,
    persons: PersonRules?
  ) throws(FileFailure) -> ParsingResult {
    if case .dense(let rules) = contract.postprocess {
      let output = try DenseOutput(
        output, contract: contract, rules: rules, geometry: geometry)
      return try DenseMerger.parse(output, geometry, rules: rules, persons: persons, team: team)
    }
    for tensor in output.tensors { _ = try tensor.magnitude() }
    let output = try QueryOutput(output, contract: contract, geometry: geometry)
    precondition(output.queries % passes == 0, "each pass has as many queries")
    guard let maskLogits = output.maskLogits.baseAddress else {
      preconditionFailure("a network has queries")
    }
    let masks = Masks(
      logits: maskLogits, width: output.maskWidth, height: output.maskHeight, geometry: geometry)
    let probabilities = classProbabilities(output)
    switch contract.postprocess {
    case .querySemantic:
      return SingleHumanMerger.parse(
        masks, probabilities, queries: output.queries, passes: passes,
        classes: contract.classes.count, persons: persons, team: team)
    case .dense: preconditionFailure("it has no queries")
    case .instances(let rules):
      return parse(
        masks, probabilities, queries: output.queries, passes: passes, rules: rules,
        picture: picture, persons: persons)
    }
  }

  /// Merges what the network returned for a photo and for crops round persons in it.
  ///
  /// - Parameters:
  ///   - logits: Of the photo, and of the crops.
  ///   - found: What another network has found in the photo: the persons.
  ///   - persons: Which of them to keep; nil for no persons.
  /// - Returns: The result at the photo's own size.
  public func run(
    _ logits: CropLogits, found: ParsingResult, persons: PersonRules?
  ) -> ParsingResult {
    guard let crops = contract.postprocess.crops else {
      preconditionFailure("the contract has no crops")
    }
    let classes = contract.classes.count
    let merged = CropFusion.parse(logits, classes: classes, crops: crops, team: team)
    let kept = persons.flatMap { rules in
      found.persons?.parsed(merged.labels, classScores: merged.classScores, rules: rules)
    }
    return ParsingResult(
      labels: merged.labels, parts: [], humans: found.humans.map { $0.withClass(classes) },
      persons: kept, classPixelCounts: merged.classPixelCounts, classScores: merged.classScores,
      personLimit: found.personLimit)
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
    _ masks: Masks, _ probabilities: UnsafePointer<Float>, queries: Int, passes: Int,
    rules: ModelContract.InstanceRules, picture: RGBImage?, persons: PersonRules?
  ) -> ParsingResult {
    let classes = contract.classes.count
    var found = propose(masks, probabilities, queries: queries, passes: passes, rules: rules)
    let parts = MaskRefiner.parts(found.parts, least: rules.semanticScoreThreshold)
    let mostHumans = min(rules.maxPersons ?? queries, queries / passes)
    let isFull = (0..<passes).contains { pass in
      found.humans.count { $0.query / (queries / passes) == pass } >= mostHumans
    }
    var humanMasks = masks
    if passes > 1 {
      found.parts = fusedParts.fuse(found.parts, masks, team: team).instances
      (found.humans, humanMasks) = fusedHumans.fuse(found.humans, masks, team: team)
    }

    /// By descending score.
    var merged = found.merged.map {
      MergedInstance(
        mask: $0.query, classIndex: $0.classIndex, score: $0.score,
        pass: $0.query / (queries / passes))
    }
    var partMasks = masks
    if let refine = rules.refine, let picture {
      partMasks = refiner.refine(
        parts, persons: found.humans.map { humanMasks[$0.query] }, masks: masks, picture: picture,
        maskThreshold: rules.maskThreshold, rules: refine, team: team)
      let places = Dictionary(
        uniqueKeysWithValues: parts.enumerated().map { ($0.element.query, $0.offset) })
      merged = merged.compactMap { instance in
        guard instance.classIndex != 0, let place = places[instance.mask] else { return nil }
        return MergedInstance(
          mask: place, classIndex: instance.classIndex, score: instance.score, pass: instance.pass)
      }
    }
    let labels = merge(merged, partMasks, rules: rules, passes: passes)
    let counts = team.countLabels(labels, classes: classes)
    let assembled = persons.map {
      Persons.assemble(
        humans: found.humans, merged: merged, labels: labels, classes: classes,
        masks: humanMasks, partMasks: partMasks, maskThreshold: rules.maskThreshold, rules: $0,
        team: team)
    }
    let isMapFull = assembled?.list.count == Persons.most
    return ParsingResult(
      labels: labels, parts: found.parts, humans: found.humans, persons: assembled,
      classPixelCounts: counts,
      classScores: (0..<classes).map { classIndex in
        counts[classIndex] == 0 ? nil : merged.first { $0.classIndex == classIndex }?.score
      },
      personLimit: isMapFull
        ? Persons.most : isFull ? mostHumans : found.leavesHumansOut ? found.humans.count : nil)
  }

  /// What queries propose, each list by descending score.
  private struct Proposals {
    var parts: [Instance] = []
    var humans: [Instance] = []
    /// What enters the map of classes.
    var merged: [Instance] = []
    /// Whether there are humans among the pairs that are not looked at.
    var leavesHumansOut = false
  }

  /// Finds the instances that count, and scores them.
  private func propose(
    _ masks: Masks, _ probabilities: UnsafePointer<Float>, queries: Int, passes: Int,
    rules: ModelContract.InstanceRules
  ) -> Proposals {
    let human = contract.classes.count
    let classes = human + 1

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

    // The best `topK` pairs of each pass, equal ones by index; pairs below every threshold never
    // matter, and leaving them out first does not change which of the others are among the best.
    let lowest = min(
      rules.partScoreThreshold, rules.humanScoreThreshold, rules.semanticScoreThreshold)
    var pairs: [(index: Int, score: Float)] = []
    for index in 0..<queries * classes where probabilities[index] >= lowest {
      pairs.append((index, probabilities[index]))
    }
    pairs.sort { $0.score != $1.score ? $0.score > $1.score : $0.index < $1.index }
    var taken = [Int](repeating: 0, count: passes)
    var beyond: [(index: Int, score: Float)] = []
    pairs = pairs.filter { pair in
      let pass = pair.index / (queries / passes * classes)
      taken[pass] += 1
      if taken[pass] > rules.topK { beyond.append(pair) }
      return taken[pass] <= rules.topK
    }

    /// The most that the mask of a query can score: interpolation makes no value larger than the
    /// largest it starts from. The margin covers rounding.
    func bound(_ query: Int) -> Float {
      min(1, 1 / (1 + m2fp_post_exp(-m2fp_post_max(masks[query], Int32(masks.size)))) + 1e-5)
    }
    var bounds: [Int: Float] = [:]
    let promising = pairs.filter { pair in
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      let best = bounds[query] ?? bound(query)
      bounds[query] = best
      let score = pair.score * best
      return isMerged(classIndex, score) || isPart(classIndex, score) || isHuman(classIndex, score)
    }

    let wanted = Set(promising.map { $0.index / classes }).sorted()
    let statistics = Dictionary(
      uniqueKeysWithValues: zip(wanted, MaskStatistics.of(wanted, masks, team: team)))
    var found = Proposals()
    found.leavesHumansOut = beyond.contains { pair in
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      return classIndex == human && isHuman(classIndex, pair.score * bound(query))
    }
    for pair in promising {
      let (query, classIndex) = pair.index.quotientAndRemainder(dividingBy: classes)
      guard let mask = statistics[query] else { continue }
      let score = pair.score * mask.score
      let instance = Instance(
        query: query, classIndex: classIndex, classScore: pair.score, score: score,
        pixelCount: mask.pixelCount, box: mask.box)
      if isPart(classIndex, score) { found.parts.append(instance) }
      if isHuman(classIndex, score) { found.humans.append(instance) }
      if isMerged(classIndex, score) { found.merged.append(instance) }
    }
    // Pairs come by class score; the sort is stable, so equal scores keep that order.
    found.parts.sort { $0.score > $1.score }
    found.humans.sort { $0.score > $1.score }
    found.merged.sort { $0.score > $1.score }
    return found
  }

  /// Makes the map of classes of instances, which come by descending score.
  private func merge(
    _ instances: [MergedInstance], _ masks: Masks, rules: ModelContract.InstanceRules, passes: Int
  ) -> LabelMap {
    // By class and pass, and within these by ascending score, the order in which the reference adds.
    var layers = Array(instances.reversed())
    layers.sort { ($0.classIndex, $0.pass) < ($1.classIndex, $1.pass) }
    let geometry = masks.geometry
    let inPatches = passes == 1 && PatchSampler.suits(geometry, layers: layers.count)
    return team.filledMap(geometry.imageWidth, geometry.imageHeight) { labels in
      if inPatches {
        team.forEachChunk(geometry.contentHeight, chunksOf: PatchSampler.bandsAShare) {
          memory, bands in
          memory.patchSampler.prepare(masks, regions: layers.count)
          memory.patchSampler.merge(
            layers, masks, maskThreshold: rules.maskThreshold, bands: bands, labels: labels)
        }
      } else {
        team.forEachChunk(geometry.imageHeight, chunksOf: SemanticMerger.tileHeight) {
          memory, rows in
          memory.sampler.prepare(masks, regions: layers.count)
          memory.merger.merge(
            layers, masks, maskThreshold: rules.maskThreshold, rows: rows,
            sampler: &memory.sampler, labels: labels)
        }
      }
    }
  }
}

/// What one thread of a postprocess works in; its memory is kept between images.
final class Workspace {
  var sampler = MaskSampler()
  var merger = SemanticMerger()
  var patchSampler = PatchSampler()
  var singleHuman = SingleHumanMerger()
  var dense = DenseMerger()
  var crops = CropFusion()
  var rowMerger = ClassRowMerger()
  var scratch = ScratchBuffer<Float>()
}
