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
}
