import Foundation
import M2FPCore
import M2FPImageIO

/// Photos that tests make.
package enum Photo {
  /// Left half hair (blue), right half face (yellow), on black: so the fixture models label colours.
  package static func hairAndFace(width: Int, height: Int) -> RGBImage {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for y in 10..<(height - 10) {
      for x in 10..<(width - 10) {
        let pixel = (y * width + x) * 3
        if x < width / 2 {
          pixels[pixel + 2] = 255
        } else {
          pixels[pixel] = 255
          pixels[pixel + 1] = 255
        }
      }
    }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// Stripes in the colours that the fixture models take for parts: each number another picture.
  package static func stripes(width: Int, height: Int, number: Int) -> RGBImage {
    let colours: [[UInt8]] = [
      [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255],
      [0, 255, 255], [255, 255, 255],
    ]
    let stripe = max(1, width / 6)
    func row(_ shift: Int) -> [UInt8] {
      (0..<width).flatMap { x -> [UInt8] in colours[(x / stripe + shift) % 8] }
    }
    let bands = [row(number), row(number + 1 + number % 5)]
    let pixels = (0..<height).flatMap { y -> [UInt8] in bands[y * 2 / height] }
    return RGBImage(width: width, height: height, pixels: pixels)
  }

  /// A pattern of few repetitions; another `factor` gives another picture.
  package static func pattern(width: Int, height: Int, factor: Int = 1) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<(width * height * 3)).map { UInt8(truncatingIfNeeded: $0 * factor) })
  }

  /// Noise, so that files are about as long as their pixels.
  package static func noise(width: Int, height: Int, seed: UInt64 = 1) -> RGBImage {
    var random = SplitMix64(seed: seed)
    return RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) })
  }
}
