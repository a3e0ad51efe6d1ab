extension NetworkGeometry {
  /// Where an image of the given size lies in the input of a network.
  ///
  /// The sizes are those of ModelScope's pipeline (`_get_preprocess_shape` for several people,
  /// `center_to_target_size_test` for one).
  ///
  /// - Parameters:
  ///   - imageWidth: The image's width in pixels.
  ///   - imageHeight: The image's height in pixels.
  ///   - preprocess: The model's demands.
  ///   - maxSide: A cap on the long side besides the model's own; 0 for none. It has no meaning for
  ///     models whose input size is fixed.
  public init(
    imageWidth: Int, imageHeight: Int, preprocess: ModelContract.Preprocess, maxSide: Int
  ) {
    precondition(imageWidth > 0 && imageHeight > 0 && preprocess.divisor > 0)
    let contentWidth: Int
    let contentHeight: Int
    var offsetX = 0
    var offsetY = 0
    var fitting = Fitting.resized
    var paddedWidth: Int
    var paddedHeight: Int
    switch preprocess.geometry {
    case .multi(let shortSide, let modelMaxSide):
      let cap = Double(maxSide > 0 ? min(maxSide, modelMaxSide) : modelMaxSide)
      let (width, height) = (Double(imageWidth), Double(imageHeight))
      let scale = Double(shortSide) / min(width, height)
      var (newWidth, newHeight) = (scale * width, scale * height)
      if imageHeight < imageWidth {
        newHeight = Double(shortSide)
      } else {
        newWidth = Double(shortSide)
      }
      if max(newWidth, newHeight) > cap {
        let shrink = cap / max(newWidth, newHeight)
        newWidth *= shrink
        newHeight *= shrink
      }
      // The reference makes an empty image of one whose sides differ by more than about 1300 times.
      contentWidth = max(Int(newWidth + 0.5), 1)
      contentHeight = max(Int(newHeight + 0.5), 1)
      (paddedWidth, paddedHeight) = (contentWidth, contentHeight)
    case .single(let width, let height, _):
      (contentWidth, contentHeight) = Self.fit(imageWidth, imageHeight, into: (width, height))
      offsetX = (width - contentWidth) / 2
      offsetY = (height - contentHeight) / 2
      (paddedWidth, paddedHeight) = (width, height)
    case .stretch(let width, let height):
      (contentWidth, contentHeight) = (width, height)
      (paddedWidth, paddedHeight) = (width, height)
    case .affine(let width, let height):
      (contentWidth, contentHeight) = (width, height)
      (paddedWidth, paddedHeight) = (width, height)
      fitting = .warped
    }
    let divisor = preprocess.divisor
    self.init(
      imageWidth: imageWidth, imageHeight: imageHeight,
      contentWidth: contentWidth, contentHeight: contentHeight,
      offsetX: offsetX, offsetY: offsetY,
      inputWidth: (paddedWidth + divisor - 1) / divisor * divisor,
      inputHeight: (paddedHeight + divisor - 1) / divisor * divisor, fitting: fitting)
  }

  /// The largest size of the same shape, rounded down, that fits without enlarging.
  private static func fit(
    _ width: Int, _ height: Int, into target: (width: Int, height: Int)
  ) -> (width: Int, height: Int) {
    guard width > target.width || height > target.height else { return (width, height) }
    var atFullHeight: (width: Int, height: Int) {
      (max(target.height * width / height, 1), target.height)
    }
    var atFullWidth: (width: Int, height: Int) {
      (target.width, max(target.width * height / width, 1))
    }
    if width <= target.width { return atFullHeight }
    if height <= target.height { return atFullWidth }
    // Where rounding down makes both fit, the image's longer side decides, as in the reference.
    if height >= width {
      return atFullHeight.width <= target.width ? atFullHeight : atFullWidth
    }
    return atFullWidth.height <= target.height ? atFullWidth : atFullHeight
  }
}

/// Turns images into the network's input: resized, normalised, padded.
///
/// It keeps scratch memory between calls: one for each thread.
public final class Preprocessor {
  private let preprocess: ModelContract.Preprocess
  private let maxSide: Int
  private let resizer = Resizer()
  /// The normalised value of each of the 256 levels, for R, then G, then B.
  private let levels: [Float]

  /// - Parameters:
  ///   - preprocess: The model's demands.
  ///   - maxSide: A cap on the long side besides the model's own; 0 for none.
  public init(_ preprocess: ModelContract.Preprocess, maxSide: Int) {
    precondition(preprocess.mean.count == 3 && preprocess.std.count == 3)
    self.preprocess = preprocess
    self.maxSide = maxSide
    let isMulti =
      switch preprocess.geometry {
      case .multi: true
      case .single, .stretch, .affine: false
      }
    levels = zip(preprocess.mean, preprocess.std).flatMap { mean, std in
      (0..<256).map { level in
        // The reference scales images of several people to 0...1 and back, in single precision;
        // 256 table entries make it cheap to round where it rounds.
        let value = isMulti ? Float(level) / 255 * 255 : Float(level)
        return (value - mean) / std
      }
    }
  }

  /// Where an image lies in the input.
  ///
  /// - Parameters:
  ///   - width: The image's width in pixels.
  ///   - height: The image's height in pixels.
  /// - Returns: Sizes and offsets; the input buffer takes `3 × inputHeight × inputWidth` values.
  public func geometry(width: Int, height: Int) -> NetworkGeometry {
    NetworkGeometry(
      imageWidth: width, imageHeight: height, preprocess: preprocess, maxSide: maxSide)
  }

  /// The image as it is within the network's input.
  ///
  /// - Parameters:
  ///   - image: The upright image.
  ///   - geometry: What ``geometry(width:height:)`` returned for its size.
  /// - Returns: `contentWidth × contentHeight` pixels.
  public func content(of image: RGBImage, geometry: NetworkGeometry) -> RGBImage {
    precondition(image.width == geometry.imageWidth && image.height == geometry.imageHeight)
    let (width, height) = (geometry.contentWidth, geometry.contentHeight)
    if geometry.fitting == .warped { return geometry.warp(image) }
    if width == image.width && height == image.height { return image }
    return resizer.withResized(image, width: width, height: height) {
      RGBImage(width: width, height: height, pixels: Array($0))
    }
  }

  /// Fills the network's input.
  ///
  /// The padding of several-person models is zero after normalisation; that of single-person models
  /// is the pad value, normalised. (The reference leaves out the latter when it is a single row or
  /// column, which the network then pads with zeros: that is kept.)
  ///
  /// - Parameters:
  ///   - input: `3 × inputHeight × inputWidth` values (channel, row, column), all overwritten.
  ///   - content: What ``content(of:geometry:)`` returned.
  ///   - geometry: What ``geometry(width:height:)`` returned for the image's size.
  public func fill(
    _ input: UnsafeMutableBufferPointer<Float>, content: RGBImage, geometry: NetworkGeometry
  ) {
    let width = geometry.inputWidth
    let plane = width * geometry.inputHeight
    let (contentWidth, contentHeight) = (geometry.contentWidth, geometry.contentHeight)
    precondition(input.count == 3 * plane)
    precondition(content.width == contentWidth && content.height == contentHeight)
    input.update(repeating: 0)
    if case .single(let targetWidth, let targetHeight, let padValue) = preprocess.geometry,
      geometry.offsetX > 0 || geometry.offsetY > 0
    {
      for channel in 0..<3 {
        let place = preprocess.channelOrder == .rgb ? channel : 2 - channel
        for y in 0..<targetHeight {
          let start = place * plane + y * width
          input[start..<(start + targetWidth)].update(
            repeating: levels[channel * 256 + Int(padValue)])
        }
      }
    }
    content.pixels.withUnsafeBufferPointer { pixels in
      levels.withUnsafeBufferPointer { levels in
        guard let pixels = pixels.baseAddress, let levels = levels.baseAddress,
          let input = input.baseAddress
        else { return }
        for y in 0..<contentHeight {
          var pixel = pixels + y * contentWidth * 3
          let first = input + (geometry.offsetY + y) * width + geometry.offsetX
          let green = first + plane
          let last = green + plane
          let (red, blue) = preprocess.channelOrder == .rgb ? (first, last) : (last, first)
          for x in 0..<contentWidth {
            red[x] = levels[Int(pixel[0])]
            green[x] = levels[256 + Int(pixel[1])]
            blue[x] = levels[512 + Int(pixel[2])]
            pixel += 3
          }
        }
      }
    }
  }
}
