import M2FPCore

/// A format that pictures of results are written in.
public enum PictureFormat: String, Sendable, Codable, CaseIterable {
  case jpeg = "JPEG"
  case png = "PNG"

  /// What files of this format are named, without the dot.
  public var fileExtension: String {
    switch self {
    case .jpeg: "jpg"
    case .png: "png"
    }
  }

  /// Writes a picture, without any metadata.
  ///
  /// - Throws: ``FileFailure`` of stage `encode`.
  func encode(_ image: RGBImage) throws(FileFailure) -> EncodedImage {
    switch self {
    case .jpeg: try JPEGEncoder.rgb(image)
    case .png: try PNGEncoder.rgb(image)
    }
  }
}
