/// An 8-bit RGB image: rows top to bottom, no padding between rows.
public struct RGBImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width × 3` bytes: R, G, B of each pixel in turn.
  public var pixels: [UInt8]

  /// Wraps pixels that are already in place.
  ///
  /// - Precondition: `pixels.count == width * height * 3`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// One small unsigned value a pixel: a class index (parsing) or a person id (persons).
public struct LabelMap: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width` values, rows top to bottom.
  public var pixels: [UInt8]

  /// Wraps labels that are already in place.
  ///
  /// - Precondition: `pixels.count == width * height`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height)
    self.width = width
    self.height = height
    self.pixels = pixels
  }
}

/// One unsigned value of up to 16 bits a pixel, as stored in an indexed or grey PNG: a class index,
/// a person id, or the id of a part, of which a crowd has more than 255.
public struct IndexMap: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `height × width` values, rows top to bottom.
  public let values: [UInt16]

  /// Wraps values that are already in place.
  ///
  /// - Precondition: `values.count == width * height`.
  public init(width: Int, height: Int, values: [UInt16]) {
    precondition(width > 0 && height > 0 && values.count == width * height)
    self.width = width
    self.height = height
    self.values = values
  }
}

/// A colour of 8 bits a channel.
public struct RGB: Sendable, Hashable, Codable {
  public let red: UInt8
  public let green: UInt8
  public let blue: UInt8

  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// Reads `[r, g, b]`, the form the contract and palette files use.
  public init(from decoder: any Decoder) throws {
    var list = try decoder.unkeyedContainer()
    self.init(
      try list.decode(UInt8.self), try list.decode(UInt8.self), try list.decode(UInt8.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var list = encoder.unkeyedContainer()
    try list.encode(red)
    try list.encode(green)
    try list.encode(blue)
  }
}
