import M2FPCore

/// How the photo under class colours looks, and as what it is written.
public struct OverlayStyle: Sendable, Equatable {
  public var format = PictureFormat.jpeg
  /// The colours' share, 0 to 1.
  public var opacity: Float = 0.5
  /// Whether the edges of classes and persons are drawn.
  public var outlines = false
  /// The font that class names are written in; nil for no names.
  public var font: Font?

  public init() {}

  /// Draws and encodes the overlay of a photo.
  ///
  /// - Parameters:
  ///   - photo: The photo.
  ///   - labels: A class for each of its pixels.
  ///   - persons: A person id for each pixel, or nil.
  ///   - names: The classes' names.
  ///   - palette: The classes' colours.
  /// - Returns: The file.
  /// - Throws: ``FileFailure`` of stage `encode`.
  public func encode(
    _ photo: RGBImage, labels: LabelMap, persons: LabelMap?, names: [String], palette: [RGB]
  ) throws(FileFailure) -> EncodedImage {
    var image = Overlay.blend(photo, labels: labels, palette: palette, opacity: opacity)
    if outlines {
      image = Overlay.outline(image, labels: labels, persons: persons, palette: palette)
    }
    if let font {
      let size = Overlay.textSize(width: image.width, height: image.height)
      image = try Overlay.annotate(
        image, labels: labels, persons: persons, names: names, palette: palette
      ) { text throws(FileFailure) in try font.render(text, size: size) }
    }
    return try format.encode(image)
  }
}
