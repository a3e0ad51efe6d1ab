/// What is done to masks before they are written, in the order of its properties.
public struct MaskOperations: Sendable, Equatable, Codable {
  /// Holes of at most so many pixels are closed; 0 for none.
  public var fillHoles: Int
  /// Regions of less than so many pixels are left out.
  public var minRegion: Int
  /// A pixel becomes what most of those are that lie at most so many rows and columns away.
  public var smooth: Int
  /// Pixels that the mask is grown by at its edges; shrunk by, where it is negative.
  public var grow: Int

  public init(fillHoles: Int = 0, minRegion: Int = 0, smooth: Int = 0, grow: Int = 0) {
    self.fillHoles = fillHoles
    self.minRegion = minRegion
    self.smooth = smooth
    self.grow = grow
  }

  enum CodingKeys: String, CodingKey {
    case smooth, grow
    case fillHoles = "fill_holes"
    case minRegion = "min_region"
  }

  /// A mask after all of it.
  public func callAsFunction(_ mask: BitMask) -> BitMask {
    var mask = mask
    if fillHoles > 0 { mask = mask.fillingHoles(upTo: fillHoles) }
    if minRegion > 1 { mask = mask.removingRegions(below: minRegion) }
    if smooth > 0 { mask = mask.smoothed(radius: smooth) }
    if grow > 0 { mask = mask.grown(by: Float(grow)) }
    if grow < 0 { mask = mask.shrunk(by: Float(-grow)) }
    return mask
  }
}
