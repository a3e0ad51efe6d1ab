/// One value a pixel: rows top to bottom, no padding between rows.
///
/// Pictures in colour are not rasters: what reads and writes them takes their channels as bytes.
public struct Raster<Pixel: Sendable & Equatable>: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width` values.
  public var pixels: [Pixel]

  /// Wraps values that are already in place.
  ///
  /// - Precondition: `pixels.count == width * height`.
  public init(width: Int, height: Int, pixels: [Pixel]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// One small unsigned value a pixel: a class index (parsing) or a person id (persons).
public typealias LabelMap = Raster<UInt8>

/// One unsigned value of up to 16 bits a pixel, as stored in an indexed or grey PNG: a class index,
/// a person id, or the id of a part, of which a crowd has more than 255.
public typealias IndexMap = Raster<UInt16>

/// How much of each pixel a shape, such as a line of text, covers: 0 to 255.
public typealias Stencil = Raster<UInt8>
