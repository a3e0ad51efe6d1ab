import CPostprocess

extension ModelContract {
  /// How the network's output becomes labels.
  public enum Postprocess: Sendable, Equatable {
    /// Queries that are parts and humans, merged into a map of classes (several people).
    case instances(InstanceRules)
    /// Queries whose class probability times mask probability is summed up (one person).
    case querySemantic
    /// Logits of each class at each place; persons are not told apart.
    case dense(DenseRules)
  }

  /// How logits of a dense network become a map of classes.
  public struct DenseRules: Sendable, Equatable, Codable {
    /// Pixels of the network's input to a place of its output, in each direction.
    public var stride: Int
    /// Whether the outermost places lie on the outermost pixels of the input, as torch's
    /// `interpolate(align_corners=True)` has it, and not half a step within.
    public var alignsCorners: Bool
    /// What is parsed besides the whole photo; nil for nothing.
    public var crops: Crops?

    public init(stride: Int, alignsCorners: Bool = false, crops: Crops? = nil) {
      self.stride = stride
      self.alignsCorners = alignsCorners
      self.crops = crops
    }

    enum CodingKeys: String, CodingKey {
      case stride, crops
      case alignsCorners = "align_corners"
    }
  }

  /// Crops round the persons that another model finds, as SCHP parses several persons.
  public struct Crops: Sendable, Equatable, Codable {
    /// What is outside of all crops.
    public enum Outside: String, Sendable, Codable {
      case background
      /// What the network says of the whole photo.
      case whole
    }

    /// The name of the model that finds the persons; nil for the default one.
    public var finder: String?
    /// The name of the model that parses the crops; nil for the one that parses the photo.
    public var network: String?
    /// What is added to a person's box on each side, as a share of its width and height.
    public var margin: Double
    public var outside: Outside

    public init(
      finder: String? = nil, network: String? = nil, margin: Double, outside: Outside
    ) {
      self.finder = finder
      self.network = network
      self.margin = margin
      self.outside = outside
    }
  }

  /// Which of the instances that queries propose count.
  public struct InstanceRules: Sendable, Equatable {
    /// How many of the best (query, class) pairs are looked at.
    public var topK: Int
    /// The most humans that the network can propose; nil where any query may be one.
    public var maxPersons: Int?
    /// A part instance scores at least this.
    public var partScoreThreshold: Float
    /// A human instance scores more than this.
    public var humanScoreThreshold: Float
    /// An instance that scores at least this enters the map of classes.
    public var semanticScoreThreshold: Float
    /// Mask probability times score above which a pixel counts.
    public var maskThreshold: Float
    /// How masks are cleaned before they are merged; nil for not at all, as the reference has it.
    public var refine: MaskRefinement?

    public init(
      topK: Int, maxPersons: Int? = nil, partScoreThreshold: Float, humanScoreThreshold: Float,
      semanticScoreThreshold: Float, maskThreshold: Float, refine: MaskRefinement? = nil
    ) {
      self.topK = topK
      self.maxPersons = maxPersons
      self.partScoreThreshold = partScoreThreshold
      self.humanScoreThreshold = humanScoreThreshold
      self.semanticScoreThreshold = semanticScoreThreshold
      self.maskThreshold = maskThreshold
      self.refine = refine
    }
  }

  /// How masks are cleaned at the network's size (``MaskRefiner``). Areas are shares of the picture.
  public struct MaskRefinement: Sendable, Equatable, Codable {
    /// The guided filter's windows reach so many pixels to each side.
    public var radius: Int
    /// What the guided filter adds to the variance of a window of the grey picture, whose levels are
    /// 0 to 1.
    public var epsilon: Float
    /// Within accepted persons a pixel counts already above this.
    public var fillThreshold: Float
    /// The largest unlabelled piece that is filled with the label round it.
    public var holeArea: Double
    /// The largest piece of a label that takes the label round it.
    public var islandArea: Double
    /// The least share of a labelled piece that accepted persons cover.
    public var leastCover: Double

    public init(
      radius: Int, epsilon: Float, fillThreshold: Float, holeArea: Double, islandArea: Double,
      leastCover: Double
    ) {
      self.radius = radius
      self.epsilon = epsilon
      self.fillThreshold = fillThreshold
      self.holeArea = holeArea
      self.islandArea = islandArea
      self.leastCover = leastCover
    }

    enum CodingKeys: String, CodingKey {
      case radius, epsilon
      case fillThreshold = "fill_threshold"
      case holeArea = "hole_area"
      case islandArea = "island_area"
      case leastCover = "least_cover"
    }
  }
}

extension ModelContract.Postprocess {
  /// What a contract calls it.
  enum Mode: String, Codable {
    case instances
    case querySemantic = "query_semantic"
    case dense
  }

  var mode: Mode {
    switch self {
    case .instances: .instances
    case .querySemantic: .querySemantic
    case .dense: .dense
    }
  }

  /// The rules of a network that tells instances apart; nil for any other.
  public var instanceRules: ModelContract.InstanceRules? {
    switch self {
    case .instances(let rules): rules
    case .querySemantic, .dense: nil
    }
  }

  /// What a network parses besides the whole photo; nil for nothing.
  public var crops: ModelContract.Crops? {
    if case .dense(let rules) = self { rules.crops } else { nil }
  }

  /// What cannot be true, or nil.
  var inconsistency: String? {
    switch self {
    case .instances(let rules): rules.inconsistency
    case .querySemantic: nil
    case .dense(let rules): rules.inconsistency
    }
  }
}

extension ModelContract.DenseRules {
  /// What cannot be true, or nil.
  fileprivate var inconsistency: String? {
    if !(1...64).contains(stride) { return "a stride of \(stride)" }
    guard let crops else { return nil }
    if !(0...1).contains(crops.margin) { return "crops with a margin of \(crops.margin)" }
    return [crops.finder, crops.network].compactMap(\.self)
      .first { $0.isEmpty || $0.utf8.contains(UInt8(ascii: "/")) }
      .map { "a model named '\($0)' for its crops" }
  }
}

extension ModelContract.InstanceRules {
  /// What cannot be true, or nil.
  fileprivate var inconsistency: String? {
    if !(1...10_000).contains(topK) { return "the best \(topK) pairs" }
    if let maxPersons, !(1...10_000).contains(maxPersons) { return "at most \(maxPersons) persons" }
    let thresholds = [
      partScoreThreshold, humanScoreThreshold, semanticScoreThreshold, maskThreshold,
    ]
    if let odd = thresholds.first(where: { !(0...1).contains($0) }) {
      return "a threshold of \(odd)"
    }
    return refine?.inconsistency
  }
}

extension ModelContract.MaskRefinement {
  /// What cannot be true, or nil.
  fileprivate var inconsistency: String? {
    if !(1...Int(M2FP_POST_LANES)).contains(radius) { return "a filter's radius of \(radius)" }
    if !(1e-6...1).contains(epsilon) { return "a filter's epsilon of \(epsilon)" }
    if !(0...1).contains(fillThreshold) { return "a fill threshold of \(fillThreshold)" }
    return [holeArea, islandArea, leastCover].first { !(0...1).contains($0) }
      .map { "a share of \($0) in the refinement of masks" }
  }
}

extension ModelContract.Postprocess: Codable {
  private enum CodingKeys: String, CodingKey { case mode }

  public init(from decoder: any Decoder) throws {
    switch try decoder.container(keyedBy: CodingKeys.self).decode(Mode.self, forKey: .mode) {
    case .instances: self = .instances(try ModelContract.InstanceRules(from: decoder))
    case .querySemantic: self = .querySemantic
    case .dense: self = .dense(try ModelContract.DenseRules(from: decoder))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(mode, forKey: .mode)
    switch self {
    case .instances(let rules): try rules.encode(to: encoder)
    case .querySemantic: break
    case .dense(let rules): try rules.encode(to: encoder)
    }
  }

  /// Reads what format 1 says: the modes by other names, and how many classes there are once more.
  ///
  /// - Parameters:
  ///   - decoder: Of the contract's `postprocess`.
  ///   - classes: How many classes the contract names.
  /// - Throws: `DecodingError` that names the field.
  init(formatOne decoder: any Decoder, classes: Int) throws {
    enum Keys: String, CodingKey {
      case mode
      case parsingClasses = "parsing_classes"
      case humanIndex = "human_index"
    }
    enum Mode: String, Decodable { case parsing, semantic }
    let values = try decoder.container(keyedBy: Keys.self)
    let mode = try values.decode(Mode.self, forKey: .mode)
    let human: Int?
    switch mode {
    case .parsing:
      human = classes
      self = .instances(try ModelContract.InstanceRules(from: decoder))
    case .semantic:
      human = nil
      self = .querySemantic
    }
    guard try values.decode(Int.self, forKey: .parsingClasses) == classes else {
      throw DecodingError.dataCorruptedError(
        forKey: .parsingClasses, in: values,
        debugDescription: "there are \(classes) names of classes")
    }
    guard try values.decodeIfPresent(Int.self, forKey: .humanIndex) == human else {
      throw DecodingError.dataCorruptedError(
        forKey: .humanIndex, in: values,
        debugDescription: "mode '\(mode.rawValue)' makes it \(human.map(String.init) ?? "null")")
    }
  }
}

extension ModelContract.InstanceRules: Codable {
  private enum CodingKeys: String, CodingKey {
    case topK = "top_k"
    case maxPersons = "max_persons"
    case partScoreThreshold = "part_score_threshold"
    case humanScoreThreshold = "human_score_threshold"
    case semanticScoreThreshold = "semantic_score_threshold"
    case maskThreshold = "mask_threshold"
    case refine
  }
}
