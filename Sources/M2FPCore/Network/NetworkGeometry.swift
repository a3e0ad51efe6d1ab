/// Where an image lies in the network's input, and how to get back.
///
/// The image, resized to `contentWidth × contentHeight`, has its top left corner at
/// (`offsetX`, `offsetY`) of an input of `inputWidth × inputHeight`; the rest is padding.
public struct NetworkGeometry: Sendable, Equatable {
  public let imageWidth: Int
  public let imageHeight: Int
  public let contentWidth: Int
  public let contentHeight: Int
  public let offsetX: Int
  public let offsetY: Int
  public let inputWidth: Int
  public let inputHeight: Int

  public init(
    imageWidth: Int, imageHeight: Int, contentWidth: Int, contentHeight: Int,
    offsetX: Int, offsetY: Int, inputWidth: Int, inputHeight: Int
  ) {
    self.imageWidth = imageWidth
    self.imageHeight = imageHeight
    self.contentWidth = contentWidth
    self.contentHeight = contentHeight
    self.offsetX = offsetX
    self.offsetY = offsetY
    self.inputWidth = inputWidth
    self.inputHeight = inputHeight
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
