import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// `photo.m2fp.json`: what was done to one input, and with what.
///
/// It holds no clock time, so the same input, model, options and version give the same bytes. Its own
/// modification time, and the class map's, is set to the input's, by which an unchanged input and map
/// are known without reading them. docs/outputs.md specifies it.
public struct Sidecar: Sendable, Equatable, Codable {
  /// The version of what is written. Version 2, which had neither the persons' masks nor the digest
  /// of the labels, is read as well: its outputs are current where nothing else is asked for.
  public static let currentFormatVersion = 3

  public struct Source: Sendable, Equatable, Codable {
    /// The file's name, without its folder.
    public internal(set) var name: FilePath
    /// Bytes.
    public let size: Int
    public let sha256: String
    public let format: ImageFormat
    /// EXIF orientation, 1–8; width and height are those of the upright image.
    public let orientation: Int
    public let width: Int
    public let height: Int

    package init(
      name: FilePath, size: Int, sha256: String, format: ImageFormat, orientation: Int, width: Int,
      height: Int
    ) {
      self.name = name
      self.size = size
      self.sha256 = sha256
      self.format = format
      self.orientation = orientation
      self.width = width
      self.height = height
    }

    enum CodingKeys: String, CodingKey {
      case name, size, sha256, format, orientation, width, height
      case nameBytes = "name_bytes"
    }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      name = try values.decode(path: .name, bytesKey: .nameBytes)
      size = try values.decode(Sidecar.sizes, forKey: .size)
      sha256 = try values.decode(String.self, forKey: .sha256)
      format = try values.decode(ImageFormat.self, forKey: .format)
      orientation = try values.decode(1...8, forKey: .orientation)
      width = try values.decode(1...Int(Int32.max), forKey: .width)
      height = try values.decode(1...Int(Int32.max), forKey: .height)
    }

    public func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(path: name, forKey: .name, bytesKey: .nameBytes)
      try values.encode(size, forKey: .size)
      try values.encode(sha256, forKey: .sha256)
      try values.encode(format, forKey: .format)
      try values.encode(orientation, forKey: .orientation)
      try values.encode(width, forKey: .width)
      try values.encode(height, forKey: .height)
    }
  }

  /// The options that change what is written.
  public struct Options: Sendable, Equatable, Codable {
    /// 0 for no cap beyond the model's own.
    public internal(set) var maxSide: Int
    /// None for float32.
    public internal(set) var precision: Precision?
    /// None for the standard.
    public internal(set) var quality: Quality?
    /// The slugs of the classes that get masks.
    public internal(set) var masks: [String]
    /// What is done to masks; none for nothing.
    public internal(set) var maskOperations: MaskOperations?
    /// The colours, `#rrggbb`, in the order of the classes.
    public let palette: [String]
    /// None without an overlay.
    public internal(set) var overlay: Overlay?
    /// None in version 2 without persons.
    public internal(set) var persons: Persons?
    /// None without a cutout.
    public internal(set) var cutout: Cutout?
    /// None where nothing is made unrecognisable.
    public internal(set) var obscured: Obscured?
    /// None where the classes are the model's own.
    public let remap: Remap?

    package init(
      maxSide: Int, precision: Precision?, quality: Quality?, masks: [String],
      maskOperations: MaskOperations? = nil, palette: [String], overlay: Overlay?,
      persons: Persons?, cutout: Cutout?, obscured: Obscured? = nil, remap: Remap?
    ) {
      self.maxSide = maxSide
      self.precision = precision
      self.quality = quality
      self.masks = masks
      self.maskOperations = maskOperations
      self.palette = palette
      self.overlay = overlay
      self.persons = persons
      self.cutout = cutout
      self.obscured = obscured
      self.remap = remap
    }

    public struct Overlay: Sendable, Equatable, Codable {
      public let format: PictureFormat
      public let opacity: Float
      public let outlines: Bool
      public let names: Bool
      /// The colours of an overlay that an earlier run has left; none where they are those of the
      /// other outputs.
      public let palette: [String]?
      /// Whether such an overlay tells persons apart; none where the other options say it.
      public let persons: Bool?

      package init(
        format: PictureFormat, opacity: Float, outlines: Bool, names: Bool,
        palette: [String]? = nil, persons: Bool? = nil
      ) {
        self.format = format
        self.opacity = opacity
        self.outlines = outlines
        self.names = names
        self.palette = palette
        self.persons = persons
      }
    }

    public struct Persons: Sendable, Equatable, Codable {
      public let minScore: Float
      public let minPixels: Int?
      public let minShare: Double?
      public let maxOverlap: Float
      /// Whether there is a map of persons, and overlays tell them apart.
      public let map: Bool
      /// The slugs of the classes that get masks for each person.
      public let masks: [String]

      package init(
        minScore: Float, minPixels: Int?, minShare: Double?, maxOverlap: Float, map: Bool,
        masks: [String]
      ) {
        self.minScore = minScore
        self.minPixels = minPixels
        self.minShare = minShare
        self.maxOverlap = maxOverlap
        self.map = map
        self.masks = masks
      }

      /// The same persons with other outputs.
      func with(map: Bool, masks: [String]) -> Persons {
        Persons(
          minScore: minScore, minPixels: minPixels, minShare: minShare, maxOverlap: maxOverlap,
          map: map, masks: masks)
      }

      enum CodingKeys: String, CodingKey {
        case minScore = "min_score"
        case minPixels = "min_pixels"
        case minShare = "min_share"
        case maxOverlap = "max_overlap"
        case map, masks
      }

      public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        minScore = try values.decode(Float.self, forKey: .minScore)
        minPixels = try values.decodeIfPresent(Int.self, forKey: .minPixels)
        minShare = try values.decodeIfPresent(Double.self, forKey: .minShare)
        maxOverlap = try values.decode(Float.self, forKey: .maxOverlap)
        // Version 2 told persons apart only where there was to be a map.
        map = try values.decodeIfPresent(Bool.self, forKey: .map) ?? true
        masks = try values.decode([String].self, forKey: .masks)
      }
    }

    public struct Cutout: Sendable, Equatable, Codable {
      /// Slugs; none for whole persons.
      public let classes: [String]?
      public let perPerson: Bool
      /// None for hard ones, as m2fp 0.2 made them.
      public let edges: CutoutStyle.Edges?
      /// The margin of what is cropped, in pixels or as a share; without both nothing is.
      public let cropPixels: Int?
      public let cropShare: Double?
      /// A colour, `#rrggbb`, or `sha256:` and the digest of a picture's file; none where it is
      /// transparent.
      public let background: String?

      package init(classes: [String]?, perPerson: Bool, style: CutoutStyle) {
        self.classes = classes
        self.perPerson = perPerson
        edges = style.edges == .hard ? nil : style.edges
        (cropPixels, cropShare) =
          switch style.crop {
          case .pixels(let pixels): (pixels, nil)
          case .share(let share): (nil, share)
          case nil: (nil, nil)
          }
        background =
          switch style.background {
          case .colour(let colour): colour.hex
          case .picture(_, let digest): "sha256:" + digest
          case nil: nil
          }
      }

      enum CodingKeys: String, CodingKey {
        case classes, edges, background
        case perPerson = "per_person"
        case cropPixels = "crop_pixels"
        case cropShare = "crop_share"
      }
    }

    public struct Obscured: Sendable, Equatable, Codable {
      public let style: Obscuring.Style
      /// Slugs.
      public let classes: [String]
      /// How far regions are grown: the share of their size.
      public let grow: Float
      public let format: PictureFormat

      package init(
        style: Obscuring.Style, classes: [String], grow: Float, format: PictureFormat
      ) {
        self.style = style
        self.classes = classes
        self.grow = grow
        self.format = format
      }
    }

    public struct Remap: Sendable, Equatable, Codable {
      public let classes: [String]
      /// For each class of the model the index among `classes`.
      public let table: [Int]

      package init(classes: [String], table: [Int]) {
        self.classes = classes
        self.table = table
      }
    }

    enum CodingKeys: String, CodingKey {
      case maxSide = "max_side"
      case precision, quality, masks, palette, overlay, persons, cutout, obscured, remap
      case maskOperations = "mask_operations"
    }
  }

  public typealias ClassShare = ResultSummary.ClassShare
  public typealias Instance = ResultSummary.Instance
  public typealias Person = ResultSummary.Person

  /// A file that was written.
  public struct Output: Sendable, Equatable, Codable {
    /// The path from the sidecar's folder; it starts with the stem of the input's outputs.
    public internal(set) var path: FilePath
    /// Bytes.
    public let size: Int

    package init(path: FilePath, size: Int) {
      self.path = path
      self.size = size
    }

    enum CodingKeys: String, CodingKey {
      case path, size
      case pathBytes = "path_bytes"
    }

    public init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      path = try values.decode(path: .path, bytesKey: .pathBytes)
      size = try values.decode(Sidecar.sizes, forKey: .size)
    }

    public func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(path: path, forKey: .path, bytesKey: .pathBytes)
      try values.encode(size, forKey: .size)
    }
  }

  /// What the values of the class map are, and by what an edited map is known.
  public struct Labels: Sendable, Equatable, Codable {
    /// The name of each value, the background's first.
    public let names: [String]
    /// SHA-256 of the labels that m2fp wrote: one byte a pixel, row by row.
    public let sha256: String
    /// The same of the labels that a person has put in their place, where the outputs show those.
    public let edited: String?

    package init(names: [String], sha256: String, edited: String? = nil) {
      self.names = names
      self.sha256 = sha256
      self.edited = edited
    }

    /// Of the labels that the outputs show.
    package var shown: String { edited ?? sha256 }
  }

  /// What the network found in the model's own classes, before a remap or corrections.
  public struct Raw: Sendable, Equatable, Codable {
    /// The names of the model's classes, the background's first.
    public let names: [String]
    public let found: ResultSummary
    /// For each class of `found` but the background its mask, as COCO's compressed run lengths; none
    /// where the class map that m2fp wrote is in these classes.
    public let masks: [String]?

    package init(names: [String], found: ResultSummary, masks: [String]?) {
      self.names = names
      self.found = found
      self.masks = masks
    }
  }

  public let formatVersion: Int
  /// The version of m2fp that wrote the sidecar; none in version 2, as the next two.
  public let m2fp: String?
  public private(set) var input: Source
  public let model: ModelIdentity
  public let options: Options
  public let labels: Labels?
  /// None where it would say what the rest says.
  public let raw: Raw?
  public let classes: [ClassShare]
  public let parts: [Instance]
  /// Every candidate, overlaps and all.
  public let humans: [Instance]
  /// None in version 2 unless persons were asked for.
  public let persons: [Person]?
  /// The most persons that can be told apart, where so many were found; none elsewhere.
  public let personLimit: Int?
  public private(set) var outputs: [Output]

  /// Sorted by name, as they are written: all that ``SidecarHeader`` reads comes before the parts.
  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case m2fp, input, model, options, labels, raw, classes, parts, humans, persons, outputs
    case personLimit = "person_limit"
  }

  /// Describes a result.
  ///
  /// - Parameters:
  ///   - version: Of m2fp.
  ///   - source: The input.
  ///   - model: The network.
  ///   - options: What the outputs were made with.
  ///   - labels: The class map's values.
  ///   - found: What was found, with the persons' masks.
  ///   - raw: The same before a remap or corrections.
  ///   - outputs: What lies beside the sidecar.
  package init(
    version: String, source: Source, model: ModelIdentity, options: Options, labels: Labels,
    found: ResultSummary, raw: Raw? = nil, outputs: [Output]
  ) {
    formatVersion = Self.currentFormatVersion
    m2fp = version
    input = source
    self.model = model
    self.options = options
    self.labels = labels
    self.raw = raw
    classes = found.classes
    parts = found.parts
    humans = found.humans
    persons = found.persons
    personLimit = found.personLimit
    self.outputs = outputs
  }

  /// The sidecar of another input with the same bytes.
  ///
  /// - Parameters:
  ///   - input: Its name.
  ///   - stem: The stem of this sidecar's outputs.
  ///   - other: The stem of the other input's outputs.
  /// - Returns: What a run over it would write.
  package func renamed(input: FilePath, from stem: [UInt8], to other: [UInt8]) -> Sidecar {
    var sidecar = self
    sidecar.input.name = input
    for index in outputs.indices {
      let suffix = outputs[index].path.bytes.dropFirst(stem.count)
      sidecar.outputs[index].path = FilePath().appending(name: other + suffix)
    }
    return sidecar
  }

  /// The same result with other outputs beside it.
  package func with(options: Options, outputs: [Output]) -> Sidecar {
    Sidecar(self, options: options, outputs: outputs)
  }

  private init(_ other: Sidecar, options: Options, outputs: [Output]) {
    formatVersion = other.formatVersion
    m2fp = other.m2fp
    input = other.input
    model = other.model
    self.options = options
    labels = other.labels
    raw = other.raw
    classes = other.classes
    parts = other.parts
    humans = other.humans
    persons = other.persons
    personLimit = other.personLimit
    self.outputs = outputs
  }

  /// What was found, as the outputs show it.
  package var found: ResultSummary {
    ResultSummary(
      classes: classes, parts: parts, humans: humans, persons: persons, personLimit: personLimit)
  }

  /// The file's text.
  package func encoded() throws -> Data {
    try Self.encoder().encode(self) + Data("\n".utf8)
  }

  /// `options` as the text of a sidecar holds them.
  package static func text(of options: Options) -> [UInt8] {
    // At the same depth, for the same indentation.
    guard let text = try? encoder().encode(["options": options]),
      let start = text.dropFirst().firstIndex(of: UInt8(ascii: "{")),
      let end = text.dropLast().lastIndex(of: UInt8(ascii: "}"))
    else { preconditionFailure("options are always encodable") }
    return Array(text[start...end])
  }

  private static func encoder() -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  /// The sidecar at `path`, or nil if there is none that this build can read.
  public static func read(_ path: FilePath) -> Sidecar? { read(path, following: .all) }

  /// The sidecar among some outputs, or nil if there is none that this build can read.
  package static func read(of names: OutputNames) -> Sidecar? {
    read(names.sidecarPath, following: names.rule)
  }

  private static func read(_ path: FilePath, following rule: LinkRule) -> Sidecar? {
    guard let bytes = try? FileReader.read(path, limit: sizeLimit, following: rule).bytes else {
      return nil
    }
    return try? JSONDecoder().decode(Sidecar.self, from: Data(bytes))
  }

  /// Bytes that a photo or an output may have: beyond any, and their sum is a number still.
  fileprivate static let sizes = 0...(1 << 50)

  /// Bytes, far beyond any sidecar.
  package static let sizeLimit = 1 << 28

  /// What Foundation's decoder holds at most of a sidecar of so many bytes: of text such as `[1,1,1` an
  /// index of three words and a number for two bytes, and the text twice.
  package static func bytesToDecode(_ size: Int) -> Int { min(size, sizeLimit) * 20 }
}

extension Sidecar {
  /// Reads what may have been forged: numbers are such as a result can have, or nothing is read.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    formatVersion = try values.decode(Int.self, forKey: .formatVersion)
    m2fp = try values.decodeIfPresent(String.self, forKey: .m2fp)
    input = try values.decode(Source.self, forKey: .input)
    model = try values.decode(ModelIdentity.self, forKey: .model)
    options = try values.decode(Options.self, forKey: .options)
    labels = try values.decodeIfPresent(Labels.self, forKey: .labels)
    raw = try values.decodeIfPresent(Raw.self, forKey: .raw)
    classes = try values.decode([ClassShare].self, forKey: .classes)
    parts = try values.decode([Instance].self, forKey: .parts)
    humans = try values.decode([Instance].self, forKey: .humans)
    persons = try values.decodeIfPresent([Person].self, forKey: .persons)
    personLimit = try values.decodeIfPresent(Int.self, forKey: .personLimit)
    outputs = try values.decode([Output].self, forKey: .outputs)
    guard isPossible else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "no result has such numbers"))
    }
  }

  private var isPossible: Bool {
    let names = [labels?.names, raw?.names].compactMap(\.self)
    let (remap, persons) = (options.remap, options.persons)
    return input.width * input.height <= ImageLimits.most.maxPixels
      && names.allSatisfy { (1...256).contains($0.count) }
      && [found, raw?.found].compactMap(\.self).allSatisfy {
        $0.isPossible(width: input.width, height: input.height)
      }
      && remap.map { remap in
        (1...256).contains(remap.classes.count)
          && remap.table.allSatisfy(remap.classes.indices.contains)
      } ?? true
      && (0...1).contains(persons?.minShare ?? 0) && (persons?.minPixels ?? 0) >= 0
  }
}
