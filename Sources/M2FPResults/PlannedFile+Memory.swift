import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

extension PlannedFile {
  // Bytes a pixel. The class map as it is decoded, then classes and persons, in two sets of classes.
  private static let resultBytes = 8
  /// A picture that is made of the photo, or a mask whose edges are moved, and what that needs.
  private static let pictureBytes = 12
  private static let photoBytes = 3

  /// Bytes that are held at most while this photo's result is read and something is made of it, as far as
  /// the files tell.
  ///
  /// - Parameters:
  ///   - limits: How large maps and photos may be; what is larger is not decoded.
  ///   - fileLimit: How large the photo's file may be.
  ///   - photoRule: Which links on the way to the photo are followed, where its pixels are needed; else
  ///     nil.
  /// - Returns: Nearly that.
  package func bytesToRestore(
    limits: ImageLimits, fileLimit: Int, photo photoRule: LinkRule?
  ) -> Int {
    let sidecar = FileStamp(path: outputs.sidecarPath).map { Sidecar.bytesToDecode($0.size) } ?? 0
    let map = PictureSize(outputs.mapPath, following: outputs.rule, limit: Sidecar.sizeLimit)
    let photo = photoRule.flatMap { PictureSize(input.path, following: $0, limit: fileLimit) }
    func bytes(_ picture: PictureSize?, aPixel: Int) -> Int {
      guard let picture, picture.pixels <= limits.maxPixels else { return 0 }
      return picture.fileSize + picture.decoding + picture.pixels * aPixel
    }
    return sidecar + bytes(map, aPixel: Self.resultBytes + Self.pictureBytes)
      + bytes(photo, aPixel: Self.photoBytes)
  }
}
