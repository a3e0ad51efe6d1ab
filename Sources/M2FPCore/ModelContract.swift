/// What a model archive says of itself: how to feed it and how to read it.
///
/// The exporter writes it into the archive as `contract.json`, so tool and exporter cannot disagree.
public struct ModelContract: Sendable, Equatable, Codable {
  /// The version of the contract this build reads.
  public static let supportedFormatVersion = 1

  public let formatVersion: Int
  public let model: String
  /// Parsing classes in the order of their indices; index 0 is the background.
  public let classes: [String]
  /// One colour a class.
  public let palette: [RGB]
  public let preprocess: Preprocess
  public let postprocess: Postprocess
  public let licence: String
  public let commercialUse: Bool
  /// SHA-256 of the checkpoint the archive was made from, or `seed:N`.
  public let sourceSHA256: String
  public let torchVersion: String

  public init(
    formatVersion: Int = supportedFormatVersion, model: String, classes: [String], palette: [RGB],
    preprocess: Preprocess, postprocess: Postprocess, licence: String, commercialUse: Bool,
    sourceSHA256: String, torchVersion: String
  ) {
    self.formatVersion = formatVersion
    self.model = model
    self.classes = classes
    self.palette = palette
    self.preprocess = preprocess
    self.postprocess = postprocess
    self.licence = licence
    self.commercialUse = commercialUse
    self.sourceSHA256 = sourceSHA256
    self.torchVersion = torchVersion
  }

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case model, classes, palette, preprocess, postprocess, licence
    case commercialUse = "commercial_use"
    case sourceSHA256 = "source_sha256"
    case torchVersion = "torch_version"
  }

  /// The number of class logits a query: the classes, the human if there is one, "no object".
  public var networkClasses: Int {
    postprocess.parsingClasses + (postprocess.humanIndex == nil ? 0 : 1) + 1
  }

  /// What in the contract cannot be true, or nil.
  public var inconsistency: String? {
    let count = postprocess.parsingClasses
    if count < 2 || count > 255 { return "\(count) parsing classes" }
    if classes.count != count { return "\(classes.count) class names for \(count) classes" }
    let slugs = Set(classes.map(ClassNames.slug))
    if slugs.count != count || slugs.contains("") { return "class names that share a file name" }
    if palette.count != count { return "\(palette.count) colours for \(count) classes" }
    if preprocess.mean.count != 3 || preprocess.std.count != 3 || preprocess.std.contains(0) {
      return "mean and std are not three usable values each"
    }
    if preprocess.divisor < 1 { return "a divisor of \(preprocess.divisor)" }
    switch preprocess.geometry {
    case .multi(let shortSide, let maxSide):
      if shortSide < 1 || maxSide < shortSide { return "a longest side of \(maxSide)" }
    case .single(let width, let height, _):
      if width < 1 || height < 1 || width % preprocess.divisor != 0
        || height % preprocess.divisor != 0
      {
        return "an input of \(width)×\(height)"
      }
    }
    if let human = postprocess.humanIndex, human != count { return "a human index of \(human)" }
    if postprocess.mode == .parsing {
      if postprocess.humanIndex == nil || postprocess.topK == nil
        || postprocess.partScoreThreshold == nil || postprocess.humanScoreThreshold == nil
        || postprocess.semanticScoreThreshold == nil || postprocess.maskThreshold == nil
      {
        return "parsing without all of its thresholds"
      }
    }
    return nil
  }

  /// How an image becomes the network's input.
  public struct Preprocess: Sendable, Equatable, Codable {
    public enum Geometry: Sendable, Equatable {
      /// Short side to `shortSide`, long side at most `maxSide`; zero-padded right and bottom.
      case multi(shortSide: Int, maxSide: Int)
      /// Fit into `width × height` without enlarging; centred on `padValue`.
      case single(width: Int, height: Int, padValue: UInt8)
    }

    public let geometry: Geometry
    /// The network's input sides are multiples of this.
    public let divisor: Int
    /// Subtracted from R, G, B (0–255).
    public let mean: [Float]
    /// Divides what is left.
    public let std: [Float]

    public init(geometry: Geometry, divisor: Int, mean: [Float], std: [Float]) {
      self.geometry = geometry
      self.divisor = divisor
      self.mean = mean
      self.std = std
    }

    enum CodingKeys: String, CodingKey {
      case mode, divisor, mean, std, width, height
      case shortSide = "short_side"
      case maxSide = "max_side"
      case padValue = "pad_value"
    }

    enum Mode: String, Codable { case multi, single }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      switch try values.decode(Mode.self, forKey: .mode) {
      case .multi:
        geometry = .multi(
          shortSide: try values.decode(Int.self, forKey: .shortSide),
          maxSide: try values.decode(Int.self, forKey: .maxSide))
      case .single:
        geometry = .single(
          width: try values.decode(Int.self, forKey: .width),
          height: try values.decode(Int.self, forKey: .height),
          padValue: try values.decode(UInt8.self, forKey: .padValue))
      }
      divisor = try values.decode(Int.self, forKey: .divisor)
      mean = try values.decode([Float].self, forKey: .mean)
      std = try values.decode([Float].self, forKey: .std)
    }

    public func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      switch geometry {
      case .multi(let shortSide, let maxSide):
        try values.encode(Mode.multi, forKey: .mode)
        try values.encode(shortSide, forKey: .shortSide)
        try values.encode(maxSide, forKey: .maxSide)
      case .single(let width, let height, let padValue):
        try values.encode(Mode.single, forKey: .mode)
        try values.encode(width, forKey: .width)
        try values.encode(height, forKey: .height)
        try values.encode(padValue, forKey: .padValue)
      }
      try values.encode(divisor, forKey: .divisor)
      try values.encode(mean, forKey: .mean)
      try values.encode(std, forKey: .std)
    }
  }

  /// How the network's output becomes labels.
  public struct Postprocess: Sendable, Equatable, Codable {
    public enum Mode: String, Sendable, Codable {
      /// Part and human instances, merged into a semantic map (multi-human).
      case parsing
      /// A sum over queries of class probability times mask probability (single-human).
      case semantic
    }

    public let mode: Mode
    /// The number of parsing classes, the background included.
    public let parsingClasses: Int
    /// The class index of whole humans, if the model predicts them.
    public let humanIndex: Int?
    /// How many of the best (query, class) pairs are looked at. Only for ``Mode/parsing``.
    public let topK: Int?
    /// A part instance scores at least this. Only for ``Mode/parsing``.
    public let partScoreThreshold: Float?
    /// A human instance scores more than this. Only for ``Mode/parsing``.
    public let humanScoreThreshold: Float?
    /// An instance that scores at least this enters the semantic map. Only for ``Mode/parsing``.
    public let semanticScoreThreshold: Float?
    /// Mask probability times score above which a pixel counts. Only for ``Mode/parsing``.
    public let maskThreshold: Float?

    public init(
      mode: Mode, parsingClasses: Int, humanIndex: Int? = nil, topK: Int? = nil,
      partScoreThreshold: Float? = nil, humanScoreThreshold: Float? = nil,
      semanticScoreThreshold: Float? = nil, maskThreshold: Float? = nil
    ) {
      self.mode = mode
      self.parsingClasses = parsingClasses
      self.humanIndex = humanIndex
      self.topK = topK
      self.partScoreThreshold = partScoreThreshold
      self.humanScoreThreshold = humanScoreThreshold
      self.semanticScoreThreshold = semanticScoreThreshold
      self.maskThreshold = maskThreshold
    }

    enum CodingKeys: String, CodingKey {
      case mode
      case parsingClasses = "parsing_classes"
      case humanIndex = "human_index"
      case topK = "top_k"
      case partScoreThreshold = "part_score_threshold"
      case humanScoreThreshold = "human_score_threshold"
      case semanticScoreThreshold = "semantic_score_threshold"
      case maskThreshold = "mask_threshold"
    }
  }
}
