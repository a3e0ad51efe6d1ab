/// Simple marks drawn over a photo, anti-aliased. Coordinates are pixels; pixel (x, y) covers
/// x...x+1 and y...y+1. What lies outside is clipped.
struct Canvas {
  var image: RGBImage

  init(_ image: RGBImage) {
    self.image = image
  }

  /// Mixes `opacity` (0 to 1) of a colour into one pixel that is inside the image.
  @inline(__always)
  private mutating func mix(_ x: Int, _ y: Int, _ colour: RGB, _ opacity: Float) {
    let index = 3 * (y * image.width + x)
    func channel(_ offset: Int, _ value: UInt8) {
      let old = Float(image.pixels[index + offset])
      image.pixels[index + offset] = UInt8(old + (Float(value) - old) * opacity + 0.5)
    }
    channel(0, colour.red)
    channel(1, colour.green)
    channel(2, colour.blue)
  }

  mutating func fill(_ box: Instance.Box, _ colour: RGB, opacity: Float) {
    for y in max(0, box.y)..<max(0, min(image.height, box.y + box.height)) {
      for x in max(0, box.x)..<max(0, min(image.width, box.x + box.width)) {
        mix(x, y, colour, opacity)
      }
    }
  }

  /// A line with round ends.
  mutating func line(
    from start: SIMD2<Float>, to end: SIMD2<Float>, width: Float, _ colour: RGB, opacity: Float
  ) {
    let reach = width / 2 + 1
    let low = pointwiseMin(start, end) - reach
    let high = pointwiseMax(start, end) + reach
    let direction = end - start
    let length = (direction * direction).sum()
    for y in max(0, Int(low.y))..<max(0, min(image.height, Int(high.y) + 1)) {
      for x in max(0, Int(low.x))..<max(0, min(image.width, Int(high.x) + 1)) {
        let point = SIMD2(Float(x) + 0.5, Float(y) + 0.5) - start
        let along = length > 0 ? min(1, max(0, (point * direction).sum() / length)) : 0
        let offset = point - direction * along
        let distance = (offset * offset).sum().squareRoot()
        let coverage = min(1, max(0, width / 2 + 0.5 - distance))
        if coverage > 0 { mix(x, y, colour, coverage * opacity) }
      }
    }
  }

  /// A colour through a stencil whose top left corner lies at (x, y).
  mutating func stamp(_ stencil: Stencil, x left: Int, y top: Int, _ colour: RGB) {
    for y in max(0, -top)..<max(0, min(stencil.height, image.height - top)) {
      for x in max(0, -left)..<max(0, min(stencil.width, image.width - left)) {
        let coverage = stencil.pixels[y * stencil.width + x]
        if coverage > 0 { mix(left + x, top + y, colour, Float(coverage) / 255) }
      }
    }
  }
}
