import Foundation
import M2FPCore
import M2FPImageIO

/// `photo.m2fp.json`: what was done to one input, and with what.
///
/// It holds no clock time, so the same input, model and options give the same bytes. Its own
/// modification time is set to the input's, by which an unchanged input is known without reading it.
public struct Sidecar: Sendable, Equatable, Codable {
  /// The version of the outputs; those of another version are made anew.
  public static let currentFormatVersion = 1

  public struct Source: Sendable, Equatable, Codable {
    /// The file's name, without its folder.
    public let name: String
    /// Bytes.
    public let size: Int
    public let sha256: String
    public let format: ImageFormat
    /// EXIF orientation, 1–8; width and height are those of the upright image.
    public let orientation: Int
    public let width: Int
    public let height: Int
  }

  public struct Network: Sendable, Equatable, Codable {
    public let name: String
    public let sha256: String

    public init(name: String, sha256: String) {
      self.name = name
      self.sha256 = sha256
    }
  }

  /// The options that change what is written.
  public struct Options: Sendable, Equatable, Codable {
    /// 0 for no cap beyond the model's own.
    public let maxSide: Int
    /// The slugs of the classes that get masks.
    public let masks: [String]
    /// The colours, `#rrggbb`, in the order of the classes.
    public let palette: [String]
    public let overlay: Bool

    enum CodingKeys: String, CodingKey {
      case maxSide = "max_side"
      case masks, palette, overlay
    }
  }

  /// One class that is present in the image.
  public struct ClassShare: Sendable, Equatable, Codable {
    public let index: Int
    public let name: String
    public let pixels: Int
    /// Of all pixels, 0–1.
    public let share: Double
    /// The best score of the class's parts; none for the background and for single-human models.
    public let score: Float?
  }

  /// A part or a human.
  public struct Found: Sendable, Equatable, Codable {
    public let name: String
    public let index: Int
    public let score: Float
    public let pixels: Int
    /// x, y, width, height in pixels of the upright image; none if no pixel is left.
    public let box: [Int]?
  }

  /// A file that was written.
  public struct Output: Sendable, Equatable, Codable {
    /// The path from the sidecar's folder.
    public let path: String
    /// Bytes.
    public let size: Int
  }

  public let formatVersion: Int
  public let input: Source
  public let model: Network
  public let options: Options
  public let classes: [ClassShare]
  public let parts: [Found]
  public let humans: [Found]
  public let outputs: [Output]

  enum CodingKeys: String, CodingKey {
    case formatVersion = "format_version"
    case input, model, options, classes, parts, humans, outputs
  }

  /// The file's text.
  func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self) + Data("\n".utf8)
  }

  /// The sidecar at `path`, or nil if there is none that this build can read.
  static func read(_ path: String) -> Sidecar? {
    FileManager.default.contents(atPath: path).flatMap {
      try? JSONDecoder().decode(Sidecar.self, from: $0)
    }
  }

  /// Why the outputs beside this sidecar are not what a run with `model` and `options` would give;
  /// nil if they are. The input itself is not looked at.
  func staleness(model: Network, options: Options, folder: String) -> Staleness? {
    if formatVersion != Self.currentFormatVersion { return .otherFormat }
    if self.model != model { return .otherModel }
    if self.options != options { return .otherOptions }
    for output in outputs
    where FileStamp(path: Paths.join(folder, output.path))?.size != output.size {
      return .outputMissing
    }
    return nil
  }
}

/// Why a file is parsed although outputs may be there.
public enum Staleness: String, Sendable {
  case new
  case changedInput = "changed input"
  case otherModel = "other model"
  case otherOptions = "other options"
  case otherFormat = "other output format"
  case outputMissing = "output missing"
  case forced
}
