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
