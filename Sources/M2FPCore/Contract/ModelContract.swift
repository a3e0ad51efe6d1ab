/// What a model archive says of itself: how to feed it and how to read it.
///
/// The exporter writes it into the archive as `contract.json`, so tool and exporter cannot disagree.
public struct ModelContract: Sendable, Equatable, Codable {
  /// The format that is written. Format 1, which names modes and classes otherwise, is read, too.
  public static let formatVersion = 2

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
  /// The bytes that a run on the largest input holds at most, as the exporter has seen it; nil where
  /// nobody looked.
  public let activationBytes: Int?

  public init(
    model: String, classes: [String], palette: [RGB], preprocess: Preprocess,
    postprocess: Postprocess, licence: String, notice: String? = nil, commercialUse: Bool,
    sourceSHA256: String, torchVersion: String, activationBytes: Int? = nil
  ) {
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
    self.activationBytes = activationBytes
  }

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case model, classes, palette, preprocess, postprocess, licence, notice
    case commercialUse = "commercial_use"
    case sourceSHA256 = "source_sha256"
    case torchVersion = "torch_version"
    case activationBytes = "activation_bytes"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let version = try values.decode(Int.self, forKey: .formatVersion)
    model = try values.decode(String.self, forKey: .model)
    classes = try values.decode([String].self, forKey: .classes)
    palette = try values.decode([RGB].self, forKey: .palette)
    preprocess = try values.decode(Preprocess.self, forKey: .preprocess)
    postprocess =
      version == 1
      ? try Postprocess(
        formatOne: values.superDecoder(forKey: .postprocess), classes: classes.count)
      : try values.decode(Postprocess.self, forKey: .postprocess)
    licence = try values.decode(String.self, forKey: .licence)
    notice = try values.decodeIfPresent(String.self, forKey: .notice)
    commercialUse = try values.decode(Bool.self, forKey: .commercialUse)
    sourceSHA256 = try values.decode(String.self, forKey: .sourceSHA256)
    torchVersion = try values.decode(String.self, forKey: .torchVersion)
    activationBytes = try values.decodeIfPresent(Int.self, forKey: .activationBytes)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(Self.formatVersion, forKey: .formatVersion)
    try values.encode(model, forKey: .model)
    try values.encode(classes, forKey: .classes)
    try values.encode(palette, forKey: .palette)
    try values.encode(preprocess, forKey: .preprocess)
    try values.encode(postprocess, forKey: .postprocess)
    try values.encode(licence, forKey: .licence)
    try values.encodeIfPresent(notice, forKey: .notice)
    try values.encode(commercialUse, forKey: .commercialUse)
    try values.encode(sourceSHA256, forKey: .sourceSHA256)
    try values.encode(torchVersion, forKey: .torchVersion)
    try values.encodeIfPresent(activationBytes, forKey: .activationBytes)
  }

  /// The class of whole humans in the network's output, behind the parsing classes; nil if it has
  /// none.
  public var humanIndex: Int? {
    switch postprocess {
    case .instances: classes.count
    case .querySemantic, .dense: nil
    }
  }

  /// Whether people are found, each for itself, by the network or by another that it needs.
  public var tellsPersonsApart: Bool { humanIndex != nil || postprocess.crops != nil }

  /// For each class the one that it is in the mirror: of `Left-arm` it is `Right-arm`, of `l_brow`
  /// `r_brow`; most are themselves.
  public var mirroredClasses: [Int] {
    let sides = [("left-", "right-"), ("l-", "r-")]
    let slugs = classes.map(ClassNames.slug)
    return slugs.enumerated().map { index, slug in
      for (one, other) in sides + sides.map({ ($1, $0) }) where slug.hasPrefix(one) {
        // l_lip is the lower lip, of which there is no other side.
        return slugs.firstIndex(of: other + slug.dropFirst(one.count)) ?? index
      }
      return index
    }
  }

  /// The number of class logits a query: the classes, the human if there is one, "no object". A dense
  /// network has no queries.
  public var networkClasses: Int { classes.count + (humanIndex == nil ? 0 : 1) + 1 }

  /// What in the contract cannot be true, or nil.
  public var inconsistency: String? {
    let count = classes.count
    if count < 2 || count > 255 { return "\(count) classes" }
    let slugs = Set(classes.map(ClassNames.slug))
    if slugs.count != count || slugs.contains("") { return "class names that share a file name" }
    if let long = slugs.first(where: { $0.utf8.count > Self.longestSlug }) {
      return "a class name of \(long.utf8.count) bytes"
    }
    if palette.count != count { return "\(palette.count) colours for \(count) classes" }
    if case .affine = preprocess.geometry, case .instances = postprocess {
      return "preprocess.mode 'affine' with postprocess.mode 'instances'"
    }
    if let activationBytes, !(1...Self.mostBytes).contains(activationBytes) {
      return "activations of \(activationBytes) bytes"
    }
    return preprocess.inconsistency ?? postprocess.inconsistency
  }

  /// More than machines have, and a sum of a few is a number still.
  private static let mostBytes = 1 << 48

  /// Bytes: with ".png" behind it a slug is a file name.
  private static let longestSlug = 200

  /// How an image becomes the network's input.
  public struct Preprocess: Sendable, Equatable, Codable {
    public enum Geometry: Sendable, Equatable {
      /// Short side to `shortSide`, long side at most `maxSide`; zero-padded right and bottom.
      case multi(shortSide: Int, maxSide: Int)
      /// Fit into `width × height` without enlarging; centred on `padValue`.
      case single(width: Int, height: Int, padValue: UInt8)
      /// Stretched or squeezed to `width × height`, whatever the image's shape.
      case stretch(width: Int, height: Int)
      /// Enlarged or reduced without antialiasing until it reaches from edge to edge of
      /// `width × height`, centres of pixels on centres; black beside it.
      case affine(width: Int, height: Int)
    }

    /// The order of the input's three planes.
    public enum ChannelOrder: String, Sendable, Codable { case rgb, bgr }

    public let geometry: Geometry
    public let channelOrder: ChannelOrder
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
      case .single(let width, let height, _), .stretch(let width, let height),
        .affine(let width, let height):
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
      case .single(let width, let height, _), .stretch(let width, let height),
        .affine(let width, let height):
        return width * height
      }
    }

    public init(
      geometry: Geometry, channelOrder: ChannelOrder = .rgb, divisor: Int, mean: [Float],
      std: [Float]
    ) {
      self.geometry = geometry
      self.channelOrder = channelOrder
      self.divisor = divisor
      self.mean = mean
      self.std = std
    }

    enum CodingKeys: String, CodingKey {
      case mode, divisor, mean, std, width, height
      case shortSide = "short_side"
      case maxSide = "max_side"
      case padValue = "pad_value"
      case channelOrder = "channel_order"
    }

    enum Mode: String, Codable { case multi, single, stretch, affine }

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
      case .stretch:
        geometry = .stretch(
          width: try values.decode(Int.self, forKey: .width),
          height: try values.decode(Int.self, forKey: .height))
      case .affine:
        geometry = .affine(
          width: try values.decode(Int.self, forKey: .width),
          height: try values.decode(Int.self, forKey: .height))
      }
      channelOrder =
        try values.decodeIfPresent(ChannelOrder.self, forKey: .channelOrder) ?? .rgb
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
      case .stretch(let width, let height):
        try values.encode(Mode.stretch, forKey: .mode)
        try values.encode(width, forKey: .width)
        try values.encode(height, forKey: .height)
      case .affine(let width, let height):
        try values.encode(Mode.affine, forKey: .mode)
        try values.encode(width, forKey: .width)
        try values.encode(height, forKey: .height)
      }
      if channelOrder != .rgb { try values.encode(channelOrder, forKey: .channelOrder) }
      try values.encode(divisor, forKey: .divisor)
      try values.encode(mean, forKey: .mean)
      try values.encode(std, forKey: .std)
    }
  }
}
