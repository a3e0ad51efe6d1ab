/// Where an image lies in the network's input, and how to get back.
///
/// The image, brought to `contentWidth × contentHeight`, has its top left corner at
/// (`offsetX`, `offsetY`) of an input of `inputWidth × inputHeight`; the rest is padding.
public struct NetworkGeometry: Sendable, Equatable {
  /// How the image becomes the content.
  public enum Fitting: Sendable {
    /// Each side resized on its own, edges on edges.
    case resized
    /// As large as fits, centred, the centres of its outermost pixels on those of the content's; what
    /// is beside it is black.
    case warped
  }

  public let imageWidth: Int
  public let imageHeight: Int
  public let contentWidth: Int
  public let contentHeight: Int
  public let offsetX: Int
  public let offsetY: Int
  public let inputWidth: Int
  public let inputHeight: Int
  public let fitting: Fitting

  public init(
    imageWidth: Int, imageHeight: Int, contentWidth: Int, contentHeight: Int,
    offsetX: Int, offsetY: Int, inputWidth: Int, inputHeight: Int, fitting: Fitting = .resized
  ) {
    self.imageWidth = imageWidth
    self.imageHeight = imageHeight
    self.contentWidth = contentWidth
    self.contentHeight = contentHeight
    self.offsetX = offsetX
    self.offsetY = offsetY
    self.inputWidth = inputWidth
    self.inputHeight = inputHeight
    self.fitting = fitting
  }
}

extension NetworkGeometry {
  /// From columns of a warped image to those of the content; nil for one that is resized.
  var warpedColumns: AffineAxis? {
    fitting == .warped ? axis(.columns, imageWidth, contentWidth, step: contentStep) : nil
  }

  /// From rows of a warped image to those of the content; nil for one that is resized.
  var warpedRows: AffineAxis? {
    fitting == .warped ? axis(.rows, imageHeight, contentHeight, step: contentStep) : nil
  }

  /// The image as a warp makes it the content.
  func warp(_ image: RGBImage) -> RGBImage {
    image.warped(
      width: contentWidth, height: contentHeight,
      columns: axis(.columns, contentWidth, imageWidth, step: 1 / contentStep),
      rows: axis(.rows, contentHeight, imageHeight, step: 1 / contentStep))
  }

  /// Pixels of the content a pixel of a warped image, by the width: as SCHP has it, that of a box of
  /// the content's shape round the image, both measured from centre to centre.
  private var contentStep: Double {
    let shape = Double(contentWidth) / Double(contentHeight)
    let box = max(Double(imageWidth - 1), Double(imageHeight - 1) * shape)
    return Double(max(contentWidth - 1, 1)) / max(box, 1)
  }

  /// An axis that lays middle on middle.
  private func axis(
    _ direction: AffineAxis.Direction, _ target: Int, _ source: Int, step: Double
  ) -> AffineAxis {
    AffineAxis(
      direction, step: step, offset: Double(source - 1) / 2 - Double(target - 1) / 2 * step)
  }
}

extension NetworkGeometry {
  /// Of an image of the content's size.
  var atContentSize: NetworkGeometry {
    NetworkGeometry(
      imageWidth: contentWidth, imageHeight: contentHeight, contentWidth: contentWidth,
      contentHeight: contentHeight, offsetX: offsetX, offsetY: offsetY, inputWidth: inputWidth,
      inputHeight: inputHeight)
  }

  /// Of an input that is the content and nothing else.
  var withoutPadding: NetworkGeometry {
    NetworkGeometry(
      imageWidth: imageWidth, imageHeight: imageHeight, contentWidth: contentWidth,
      contentHeight: contentHeight, offsetX: 0, offsetY: 0, inputWidth: contentWidth,
      inputHeight: contentHeight)
  }
}
