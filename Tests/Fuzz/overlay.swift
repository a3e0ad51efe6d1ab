import M2FPCore

/// Whatever the classes and persons, what is drawn over a photo stays within it.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOverlay(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  var input = FuzzInput(bytes, count)
  let (width, height) = (input.take(1...120), input.take(1...90))
  let classes = input.take(1...8)
  let palette = (0..<UInt8(classes)).map { RGB($0 * 30, 255 - $0 * 30, $0) }
  let names = (0..<classes).map { String(repeating: "m", count: $0 * 2) }
  let opacity = Float(input.take(0...64)) / 64
  let hasPersons = input.take(0...1) == 1
  let text = (width: input.take(1...60), height: input.take(1...30))
  let labels = LabelMap(
    width: width, height: height, pixels: input.fill(width * height, below: classes))
  let persons =
    hasPersons
    ? LabelMap(width: width, height: height, pixels: input.fill(width * height, below: 4)) : nil
  let photo = RGBImage(
    width: width, height: height, pixels: (0..<width * height * 3).map { UInt8($0 % 251) })

  let blended = Overlay.blend(photo, labels: labels, palette: palette, opacity: opacity)
  for index in labels.pixels.indices where labels.pixels[index] == 0 {
    precondition(blended.pixels[3 * index] == photo.pixels[3 * index])
  }
  let outlined = Overlay.outline(blended, labels: labels, persons: persons, palette: palette)
  let named = Overlay.annotate(
    outlined, labels: labels, persons: persons, names: names, palette: palette
  ) { name in
    let width = max(1, text.width * name.count / 8)
    return Stencil(
      width: width, height: text.height,
      pixels: (0..<width * text.height).map { UInt8($0 % 256) })
  }
  for image in [blended, outlined, named] {
    precondition(image.width == width && image.height == height)
    precondition(image.pixels.count == photo.pixels.count)
  }
  return 0
}
