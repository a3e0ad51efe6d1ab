/// A format that photos are read in, by its name (``ImageCodec``).
public struct ImageFormat: RawRepresentable, Sendable, Hashable, Codable, CaseIterable {
  /// As people call it: `JPEG`.
  public let rawValue: String

  /// - Returns: Nil for what cannot be read.
  public init?(rawValue: String) {
    guard ImageCodec.all.contains(where: { $0.name == rawValue }) else { return nil }
    self.rawValue = rawValue
  }

  init(_ codec: ImageCodec) {
    rawValue = codec.name
  }

  public static let jpeg = ImageFormat(ImageCodec.jpeg)
  public static let png = ImageFormat(ImageCodec.png)

  public static let allCases = ImageCodec.all.map { ImageFormat($0) }

  var codec: ImageCodec {
    // There is no other way to make one.
    ImageCodec.all.first { $0.name == rawValue } ?? ImageCodec.jpeg
  }

  /// What files of this format are named, without the dot.
  public var fileExtension: String { codec.suffixes[0] }

  /// How names of photos end, in lower case, without the dot.
  public static let fileExtensions = Set(ImageCodec.all.flatMap(\.suffixes))

  /// The formats' names for a sentence: "JPEG, PNG and WebP".
  public static let list: String = {
    let names = allCases.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " and " + (names.last ?? "")
  }()

  /// The file name of the system's library that the format is read by, where it cannot be opened here.
  public var missingLibrary: String? { codec.missingLibrary }
}
