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
  /// What users should know of the data behind the weights.
  public let notice: String?
  public let commercialUse: Bool
  /// SHA-256 of the checkpoint the archive was made from, or `seed:N`.
  public let sourceSHA256: String
  public let torchVersion: String

  public init(
    formatVersion: Int = supportedFormatVersion, model: String, classes: [String], palette: [RGB],
    preprocess: Preprocess, postprocess: Postprocess, licence: String, notice: String? = nil,
    commercialUse: Bool, sourceSHA256: String, torchVersion: String
  ) {
    self.formatVersion = formatVersion
    self.model = model
    self.classes = classes
    self.palette = palette
    self.preprocess = preprocess
    self.postprocess = postprocess
    self.licence = licence
    self.notice = notice
    self.commercialUse = commercialUse
    self.sourceSHA256 = sourceSHA256
    self.torchVersion = torchVersion
  }

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case model, classes, palette, preprocess, postprocess, licence, notice
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
    if let long = slugs.first(where: { $0.utf8.count > Self.longestSlug }) {
      return "a class name of \(long.utf8.count) bytes"
    }
    if palette.count != count { return "\(palette.count) colours for \(count) classes" }
    return preprocess.inconsistency ?? postprocess.inconsistency
  }

  /// Bytes: with ".png" behind it a slug is a file name.
  private static let longestSlug = 200

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

    /// The longest side of a network's input in pixels: its size times three fits 32 bits.
    static let longestSide = 8192

    /// What cannot be true, or nil.
    var inconsistency: String? {
      guard mean.count == 3, std.count == 3, mean.allSatisfy({ abs($0) <= 1000 }),
        std.allSatisfy({ (0.001...1000).contains($0) })
      else { return "mean and std are not three usable values each" }
      if !(1...1024).contains(divisor) { return "a divisor of \(divisor)" }
      switch geometry {
      case .multi(let shortSide, let maxSide):
        if shortSide < 1 || maxSide < shortSide || maxSide > Self.longestSide {
          return "sides of \(shortSide) to \(maxSide)"
        }
      case .single(let width, let height, _):
        if width < 1 || height < 1 || max(width, height) > Self.longestSide
          || width % divisor != 0 || height % divisor != 0
        {
          return "an input of \(width)×\(height)"
        }
      }
      return nil
    }

    /// The largest input that any image gets.
    ///
    /// - Parameter maxSide: A cap on the long side besides the model's own; 0 for none.
    /// - Returns: Pixels, padding included.
    public func largestInput(maxSide: Int) -> Int {
      func padded(_ side: Int) -> Int { (side + divisor - 1) / divisor * divisor }
      switch geometry {
      case .multi(let shortSide, let modelMaxSide):
        let longSide = maxSide > 0 ? min(maxSide, modelMaxSide) : modelMaxSide
        return padded(longSide) * padded(min(shortSide, longSide))
      case .single(let width, let height, _):
        return width * height
      }
    }

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

    /// What cannot be true, or nil.
    var inconsistency: String? {
      if let humanIndex, humanIndex != parsingClasses { return "a human index of \(humanIndex)" }
      guard mode == .parsing else { return nil }
      let thresholds = [
        partScoreThreshold, humanScoreThreshold, semanticScoreThreshold, maskThreshold,
      ]
      guard humanIndex != nil, let topK, !thresholds.contains(nil) else {
        return "parsing without all of its thresholds"
      }
      if !(1...10_000).contains(topK) { return "the best \(topK) pairs" }
      if let odd = thresholds.compactMap(\.self).first(where: { !(0...1).contains($0) }) {
        return "a threshold of \(odd)"
      }
      return nil
    }

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
