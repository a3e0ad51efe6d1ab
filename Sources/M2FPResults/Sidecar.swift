import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// `photo.m2fp.json`: what was done to one input, and with what.
///
/// It holds no clock time, so the same input, model and options give the same bytes. Its own
/// modification time is set to the input's, by which an unchanged input is known without reading it.
public struct Sidecar: Sendable, Equatable, Codable {
  /// The version of the outputs; those of another version are made anew.
  public static let currentFormatVersion = 2

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
      size = try values.decode(Int.self, forKey: .size)
      sha256 = try values.decode(String.self, forKey: .sha256)
      format = try values.decode(ImageFormat.self, forKey: .format)
      orientation = try values.decode(Int.self, forKey: .orientation)
      width = try values.decode(Int.self, forKey: .width)
      height = try values.decode(Int.self, forKey: .height)
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
    public let maxSide: Int
    /// None for float32.
    public let precision: Precision?
    /// The slugs of the classes that get masks.
    public let masks: [String]
    /// The colours, `#rrggbb`, in the order of the classes.
    public let palette: [String]
    /// None without an overlay.
    public let overlay: Overlay?
    /// None without persons.
    public let persons: Persons?
    /// None without a cutout.
    public let cutout: Cutout?
    /// None where the classes are the model's own.
    public let remap: Remap?

    package init(
      maxSide: Int, precision: Precision?, masks: [String], palette: [String], overlay: Overlay?,
      persons: Persons?, cutout: Cutout?, remap: Remap?
    ) {
      self.maxSide = maxSide
      self.precision = precision
      self.masks = masks
      self.palette = palette
      self.overlay = overlay
      self.persons = persons
      self.cutout = cutout
      self.remap = remap
    }

    public struct Overlay: Sendable, Equatable, Codable {
      public let format: ImageFormat
      public let opacity: Float
      public let outlines: Bool
      public let names: Bool

      package init(format: ImageFormat, opacity: Float, outlines: Bool, names: Bool) {
        self.format = format
        self.opacity = opacity
        self.outlines = outlines
        self.names = names
      }
    }

    public struct Persons: Sendable, Equatable, Codable {
      public let minScore: Float
      public let minPixels: Int?
      public let minShare: Double?
      public let maxOverlap: Float
      /// The slugs of the classes that get masks for each person.
      public let masks: [String]

      package init(
        minScore: Float, minPixels: Int?, minShare: Double?, maxOverlap: Float, masks: [String]
      ) {
        self.minScore = minScore
        self.minPixels = minPixels
        self.minShare = minShare
        self.maxOverlap = maxOverlap
        self.masks = masks
      }

      enum CodingKeys: String, CodingKey {
        case minScore = "min_score"
        case minPixels = "min_pixels"
        case minShare = "min_share"
        case maxOverlap = "max_overlap"
        case masks
      }
    }

    public struct Cutout: Sendable, Equatable, Codable {
      /// Slugs; none for whole persons.
      public let classes: [String]?
      public let perPerson: Bool

      package init(classes: [String]?, perPerson: Bool) {
        self.classes = classes
        self.perPerson = perPerson
      }

      enum CodingKeys: String, CodingKey {
        case classes
        case perPerson = "per_person"
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
      case precision, masks, palette, overlay, persons, cutout, remap
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
      size = try values.decode(Int.self, forKey: .size)
    }

    public func encode(to encoder: any Encoder) throws {
      var values = encoder.container(keyedBy: CodingKeys.self)
      try values.encode(path: path, forKey: .path, bytesKey: .pathBytes)
      try values.encode(size, forKey: .size)
    }
  }

  public let formatVersion: Int
  public private(set) var input: Source
  public let model: ModelIdentity
  public let options: Options
  public let classes: [ClassShare]
  public let parts: [Instance]
  /// Every candidate, overlaps and all.
  public let humans: [Instance]
  /// None unless persons were asked for.
  public let persons: [Person]?
  public private(set) var outputs: [Output]

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case input, model, options, classes, parts, humans, persons, outputs
  }

  /// Describes a result.
  ///
  /// - Parameters:
  ///   - source: The input.
  ///   - model: The network.
  ///   - options: What the outputs were made with.
  ///   - found: What was found.
  ///   - outputs: What is written beside the sidecar.
  package init(
    source: Source, model: ModelIdentity, options: Options, found: ResultSummary, outputs: [Output]
  ) {
    formatVersion = Self.currentFormatVersion
    input = source
    self.model = model
    self.options = options
    classes = found.classes
    parts = found.parts
    humans = found.humans
    persons = found.persons
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
  public static func read(_ path: FilePath) -> Sidecar? {
    guard let bytes = try? FileReader.read(path, limit: sizeLimit).bytes else { return nil }
    return try? JSONDecoder().decode(Sidecar.self, from: Data(bytes))
  }

  /// Bytes, far beyond any sidecar.
  package static let sizeLimit = 1 << 28
}
