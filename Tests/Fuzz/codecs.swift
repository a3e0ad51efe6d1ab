import M2FPCore
import M2FPImageIO

/// Whatever a file holds, it is a photo within the limits or there is a reason why not; a map of labels
/// holds what it holds when it is written again, and so does a photo.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCodecs(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let file = Array(UnsafeBufferPointer(start: bytes, count: count))
  let limits = ImageLimits(maxPixels: 1 << 16)
  precondition(isRefused)
  let isPhoto = UnsafeRawBufferPointer(start: bytes, count: count)
  let begins = ImageDecoder.isPhoto(.init(rebasing: isPhoto.prefix(ImageDecoder.signatureSize)))
  let header = ImageDecoder.header { Array(file.dropFirst($0).prefix(1024)) }
  do throws(FileFailure) {
    let decoded = try ImageDecoder.decode(file, limits: limits)
    let image = decoded.image
    precondition(begins)
    try ImageDecoder.check(file, limits: limits)
    precondition(image.width * image.height <= limits.maxPixels)
    precondition(header.map { $0.pixels == image.width * image.height } ?? true)
    precondition((1...8).contains(decoded.orientation))
    precondition(!decoded.isDamaged || !decoded.warnings.isEmpty)
    precondition(ImageFormat.fileExtensions.contains(decoded.format.fileExtension))
    precondition(ImageFormat.allCases.contains(decoded.format))
    precondition(decoded.format.missingLibrary == nil)
    precondition(ImageFormat.list.contains(decoded.format.rawValue))
    if count % 8 == 0 {
      let again = try ImageDecoder.decode([UInt8](PNGEncoder.rgb(image).data))
      precondition(again.image == image && again.warnings.isEmpty)
      _ = try ImageDecoder.decode([UInt8](JPEGEncoder.rgb(image, quality: 1 + count % 100).data))
    }
    if !decoded.isDamaged {
      _ = try ImageDecoder.decode(file, limits: limits, refuseDamaged: true)
    }
  } catch {
    precondition(error.stage == .decode && !error.message.isEmpty)
    _ = try? ImageDecoder.check(file, limits: limits)
  }
  do throws(FileFailure) {
    // More than so short a file can hold is refused by its length.
    let map = try ImageDecoder.labels(file, limits: ImageLimits(maxPixels: 1 << 20))
    guard map.pixels.allSatisfy({ $0 < 256 }) else { return 0 }
    let labels = LabelMap(
      width: map.width, height: map.height, pixels: map.pixels.map { UInt8($0) })
    for encoded in [
      try PNGEncoder.grey(labels),
      try PNGEncoder.labelMap(labels, palette: Palette.persons.colours),
    ] {
      precondition((try? ImageDecoder.labels([UInt8](encoded.data))) == map)
    }
    precondition(
      (try? PNGEncoder.labelMap(labels, palette: [RGB(0, 0, 0)])) == nil || isEmpty(labels))
    let mask = try ImageDecoder.labels([UInt8](PNGEncoder.mask(of: 1, in: labels).data))
    precondition(zip(mask.pixels, map.pixels).allSatisfy { ($0 == 1) == ($1 == 1) })
  } catch {
    precondition(error.stage == .decode && !error.message.isEmpty)
  }
  return 0
}

private func isEmpty(_ labels: LabelMap) -> Bool { labels.pixels.allSatisfy { $0 == 0 } }

/// A JPEG cannot be as wide.
private let isRefused: Bool = {
  let side = 65_501
  let image = RGBImage(width: side, height: 1, pixels: [UInt8](repeating: 0, count: 3 * side))
  do throws(FileFailure) {
    _ = try JPEGEncoder.rgb(image)
    return false
  } catch {
    return error.code == .imageTooLarge
  }
}()
