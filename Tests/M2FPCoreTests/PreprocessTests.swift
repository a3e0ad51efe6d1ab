import M2FPCore
import Testing

private let mean: [Float] = [123.675, 116.28, 103.53]
private let std: [Float] = [58.395, 57.12, 57.375]

private func multi(shortSide: Int = 640, maxSide: Int = 1333) -> ModelContract.Preprocess {
  ModelContract.Preprocess(
    geometry: .multi(shortSide: shortSide, maxSide: maxSide), divisor: 32, mean: mean, std: std)
}

private func single(width: Int = 384, height: Int = 512) -> ModelContract.Preprocess {
  ModelContract.Preprocess(
    geometry: .single(width: width, height: height, padValue: 128), divisor: 32, mean: mean,
    std: std)
}

/// Sizes, against numbers computed by ModelScope's own functions.
@Suite struct NetworkGeometryTests {
  /// (width, height, largest side, content width, content height)
  @Test(arguments: [
    (640, 480, 1333, 853, 640), (640, 480, 800, 800, 600), (480, 640, 1333, 640, 853),
    (1000, 1000, 800, 640, 640), (4000, 3000, 800, 800, 600), (1, 1, 1333, 640, 640),
    (2000, 500, 1333, 1333, 333), (2000, 500, 800, 800, 200), (333, 1777, 1333, 250, 1333),
    (333, 1777, 800, 150, 800), (1279, 853, 1333, 960, 640), (1279, 853, 800, 800, 534),
    (853, 1279, 800, 534, 800), (5000, 7, 1333, 1333, 2), (7, 5000, 800, 1, 800),
  ])
  func multiHasModelScopesSizes(sizes: (Int, Int, Int, Int, Int)) {
    let (imageWidth, imageHeight, largest, width, height) = sizes
    // The largest side may come from the model or from the user.
    for (model, user) in [(largest, 0), (largest, 5000), (5000, largest)] {
      let geometry = NetworkGeometry(
        imageWidth: imageWidth, imageHeight: imageHeight, preprocess: multi(maxSide: model),
        maxSide: user)
      #expect(
        geometry
          == NetworkGeometry(
            imageWidth: imageWidth, imageHeight: imageHeight, contentWidth: width,
            contentHeight: height, offsetX: 0, offsetY: 0, inputWidth: (width + 31) / 32 * 32,
            inputHeight: (height + 31) / 32 * 32))
    }
  }

  @Test func extremeShapesKeepAPixel() {
    let geometry = NetworkGeometry(
      imageWidth: 1, imageHeight: 60_000, preprocess: multi(), maxSide: 800)
    #expect(geometry.contentWidth == 1 && geometry.contentHeight == 800)
    let inBox = NetworkGeometry(
      imageWidth: 60_000, imageHeight: 1, preprocess: single(), maxSide: 0)
    #expect(inBox.contentWidth == 384 && inBox.contentHeight == 1)
  }

  /// (width, height, content width, content height, offset x, offset y)
  @Test(arguments: [
    (100, 100, 100, 100, 142, 206), (384, 512, 384, 512, 0, 0), (400, 600, 341, 512, 21, 0),
    (600, 400, 384, 256, 0, 128), (385, 513, 384, 512, 0, 0), (384, 600, 327, 512, 28, 0),
    (500, 512, 384, 393, 0, 59), (383, 511, 383, 511, 0, 0), (769, 1024, 384, 512, 0, 0),
    (1025, 770, 384, 288, 0, 112), (300, 2000, 76, 512, 154, 0), (2000, 300, 384, 57, 0, 227),
    (767, 1023, 383, 512, 0, 0), (1500, 2001, 383, 512, 0, 0), (4001, 5336, 383, 512, 0, 0),
  ])
  func singleHasModelScopesBoxes(sizes: (Int, Int, Int, Int, Int, Int)) {
    let (imageWidth, imageHeight, width, height, offsetX, offsetY) = sizes
    let geometry = NetworkGeometry(
      imageWidth: imageWidth, imageHeight: imageHeight, preprocess: single(), maxSide: 100)
    #expect(
      geometry
        == NetworkGeometry(
          imageWidth: imageWidth, imageHeight: imageHeight, contentWidth: width,
          contentHeight: height, offsetX: offsetX, offsetY: offsetY, inputWidth: 384,
          inputHeight: 512))
  }
}

/// The network's input, bit for bit against Pillow and numpy.
@Suite struct PreprocessorTests {
  private func input(
    _ image: RGBImage, _ preprocess: ModelContract.Preprocess
  ) -> (values: [Float], geometry: NetworkGeometry) {
    let preprocessor = Preprocessor(preprocess, maxSide: 0)
    let geometry = preprocessor.geometry(width: image.width, height: image.height)
    let count = 3 * geometry.inputWidth * geometry.inputHeight
    // What an earlier image may have left must not show.
    var values = [Float](repeating: .nan, count: count)
    let content = preprocessor.content(of: image, geometry: geometry)
    values.withUnsafeMutableBufferPointer { input in
      preprocessor.fill(input, content: content, geometry: geometry)
    }
    return (values, geometry)
  }

  @Test func multiEqualsTheReference() throws {
    let (values, geometry) = input(pixelPattern(width: 90, height: 70), multi(shortSide: 64))
    #expect(geometry.contentWidth == 82 && geometry.inputWidth == 96)
    #expect(
      try values.withUnsafeBytes(crc32) == NumericReferences.load().multi90x70short64)
  }

  @Test func singleEqualsTheReference() throws {
    let (values, geometry) = input(
      pixelPattern(width: 90, height: 70), single(width: 48, height: 64))
    #expect(geometry.contentHeight == 37 && geometry.offsetY == 13)
    #expect(
      try values.withUnsafeBytes(crc32) == NumericReferences.load().single90x70into48x64)
  }

  @Test func oneRowOfPaddingIsZero() {
    let (values, geometry) = input(
      pixelPattern(width: 64, height: 63), single(width: 64, height: 64))
    #expect(geometry.contentHeight == 63 && geometry.inputHeight == 64)
    #expect(values[(63 * 64)..<(64 * 64)].allSatisfy { $0 == 0 })
  }
}

/// Of networks that take a picture of one size, centred and black beside it, as SCHP does.
struct WarpTests {
  private func affine(_ width: Int, _ height: Int) -> ModelContract.Preprocess {
    ModelContract.Preprocess(
      geometry: .affine(width: width, height: height), divisor: 1, mean: mean, std: std)
  }

  @Test func equalsOpenCV() throws {
    let references = try NumericReferences.load().warps
    #expect(references.count >= 8)
    for reference in references {
      let image = pixelPattern(width: reference.from[0], height: reference.from[1])
      let preprocessor = Preprocessor(affine(reference.to[0], reference.to[1]), maxSide: 0)
      let geometry = preprocessor.geometry(width: image.width, height: image.height)
      let content = preprocessor.content(of: image, geometry: geometry)
      #expect(content.width == reference.to[0] && content.height == reference.to[1])
      #expect(
        content.pixels.withUnsafeBytes(crc32) == reference.crc32, "\(reference.testDescription)")
    }
  }

  @Test func aPhotoOfTheInputsSizeIsTheInput() {
    let image = pixelPattern(width: 33, height: 33)
    let preprocessor = Preprocessor(affine(33, 33), maxSide: 0)
    let geometry = preprocessor.geometry(width: 33, height: 33)
    #expect(preprocessor.content(of: image, geometry: geometry) == image)
  }
}

/// Of networks that take a picture of one size, whatever its shape.
struct StretchTests {
  private func stretch(
    _ order: ModelContract.Preprocess.ChannelOrder
  ) -> ModelContract.Preprocess {
    ModelContract.Preprocess(
      geometry: .stretch(width: 4, height: 2), channelOrder: order, divisor: 1,
      mean: [1, 2, 3], std: [2, 2, 2])
  }

  @Test func aPhotoFillsTheInput() {
    let geometry = NetworkGeometry(
      imageWidth: 300, imageHeight: 7, preprocess: stretch(.rgb), maxSide: 100)
    #expect(
      geometry
        == NetworkGeometry(
          imageWidth: 300, imageHeight: 7, contentWidth: 4, contentHeight: 2, offsetX: 0,
          offsetY: 0, inputWidth: 4, inputHeight: 2))
    #expect(stretch(.rgb).largestInput(maxSide: 100) == 8)
  }

  @Test func planesComeInTheirOrder() {
    let pixels = (0..<8 as Range<UInt8>).flatMap { (level: UInt8) -> [UInt8] in
      [level, 100 + level, 200]
    }
    let image = RGBImage(width: 4, height: 2, pixels: pixels)
    func input(_ order: ModelContract.Preprocess.ChannelOrder) -> [Float] {
      let preprocessor = Preprocessor(stretch(order), maxSide: 0)
      let geometry = preprocessor.geometry(width: 4, height: 2)
      var values = [Float](repeating: .nan, count: 24)
      values.withUnsafeMutableBufferPointer {
        preprocessor.fill(
          $0, content: preprocessor.content(of: image, geometry: geometry), geometry: geometry)
      }
      return values
    }
    let red = (0..<8).map { (Float($0) - 1) / 2 }
    let green = (0..<8).map { (Float($0) + 98) / 2 }
    let blue = [Float](repeating: 98.5, count: 8)
    #expect(input(.rgb) == red + green + blue)
    #expect(input(.bgr) == blue + green + red)
  }
}
