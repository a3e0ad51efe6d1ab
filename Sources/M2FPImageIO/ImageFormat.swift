/// A format that photos are read in, by its name.
public struct ImageFormat: RawRepresentable, Sendable, Hashable, Codable, CaseIterable {
  let codec: ImageCodec

  /// As people call it: `JPEG`.
  public var rawValue: String { codec.name }

  /// - Returns: Nil for what cannot be read.
  public init?(rawValue: String) {
    guard let codec = ImageCodec.all.first(where: { $0.name == rawValue }) else { return nil }
    self.codec = codec
  }

  init(_ codec: ImageCodec) {
    self.codec = codec
  }

  public static let jpeg = ImageFormat(ImageCodec.jpeg)
  public static let png = ImageFormat(ImageCodec.png)

  public static let allCases = ImageCodec.all.map { ImageFormat($0) }

  /// What files of this format are named, without the dot.
  public var fileExtension: String { codec.suffixes[0] }

  /// How names of photos end, in lower case, without the dot.
  public static let fileExtensions = Set(ImageCodec.all.flatMap(\.suffixes))

  /// The formats' names for a sentence: "JPEG, PNG and WebP".
  public static let list: String = {
    let names = allCases.map(\.rawValue)
    return names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1]
  }()

  /// The file name of the system's library that the format is read by, where it cannot be opened here.
  public var missingLibrary: String? { codec.missingLibrary }
}
