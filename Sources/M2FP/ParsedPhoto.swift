import FoundationEssentials
import M2FPCore
import M2FPImageIO

/// A photo, decoded and resized: all that the network needs, and little of it.
public struct DecodedPhoto: Sendable {
  /// What the file held. Width and height are those of the upright image, in pixels.
  public struct Source: Sendable, Equatable {
    public let format: ImageFormat
    /// The orientation that the file asked for, 1 to 8.
    public let orientation: Int
    public let width: Int
    public let height: Int
  }

  public let source: Source
  /// Oddities of the file, in the decoding library's words.
  public let warnings: [String]
  /// The image at the network's content size.
  let content: RGBImage
  let geometry: NetworkGeometry
  /// The image at its own size, kept only where pictures or crops need its pixels.
  let original: RGBImage?
  /// The same photo for the network that finds persons, where one is needed; else none.
  let forFinder: [DecodedPhoto]
  /// Wall-clock time so far.
  package var times: StageTimes
}

/// A photo with what was found in it.
public struct ParsedPhoto: Sendable {
  public let source: DecodedPhoto.Source
  /// Oddities of the file, and what people should know of the result.
  public let warnings: [String]
  /// Labels, parts, humans and persons, at the photo's own size.
  public let result: ParsingResult
  /// The result in the model's own classes, where it was put into others.
  package let unmapped: ParsingResult?
  /// The photo's own pixels, kept only where the options' pictures need them.
  public let photo: RGBImage?
  /// Wall-clock time so far.
  package var times: StageTimes
  let encoder: ResultEncoder

  /// Makes one picture of the result.
  ///
  /// - Parameter kind: Which; it need not be among the options' pictures.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode`: a class or person that is not there, an overlay or
  ///   cutout where the photo's pixels were not kept (``ParserOptions/outputs`` has neither), or too
  ///   little memory.
  public func encode(_ kind: OutputKind) throws(FileFailure) -> EncodedImage {
    try encoder.encode(kind, of: result, photo: photo).file
  }

  /// What was found, without pixels.
  public var summary: ResultSummary { ResultSummary(result, classes: encoder.classes) }

  /// The summary as JSON, keys sorted.
  public var json: Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // Scores are numbers: the network's output was checked.
    return (try? encoder.encode(summary)) ?? Data()
  }
}
