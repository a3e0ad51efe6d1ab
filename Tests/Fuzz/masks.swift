import M2FPCore

/// Whatever the masks and the photo, what is made of them is of the photo's size or lies within it, and what
/// is said to stay stays.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMasks(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  var input = FuzzInput(bytes, count)
  // Rows enough for two bands of soft edges.
  let (width, height) = (input.take(1...90), input.take(1...140))
  let labels = LabelMap(
    width: width, height: height, pixels: input.fill(width * height, below: 5))
  let persons = LabelMap(
    width: width, height: height, pixels: input.fill(width * height, below: 4))
  let photo = RGBImage(
    width: width, height: height, pixels: input.fill(3 * width * height, below: 256))
  let mask = BitMask(labels: labels, classes: [1, 2], person: nil)
  checkOperations(mask, &input)
  checkCutouts(mask, photo, &input)
  checkObscuring(photo, labels, input.take(0...1) == 1 ? persons : nil, &input)
  return 0
}

private func isPart(_ one: BitMask, of other: BitMask) -> Bool {
  zip(one.pixels, other.pixels).allSatisfy { $1 || !$0 }
}

private func checkOperations(_ mask: BitMask, _ input: inout FuzzInput) {
  let holes = MaskOperations(fillHoles: input.take(0...60))(mask)
  let regions = MaskOperations(minRegion: input.take(0...60))(mask)
  let distance = input.take(0...200)
  let (grown, shrunk) = (
    MaskOperations(grow: distance)(mask), MaskOperations(grow: -distance)(mask)
  )
  precondition(isPart(mask, of: holes) && isPart(regions, of: mask))
  precondition(isPart(mask, of: grown) && isPart(shrunk, of: mask))
  let all = MaskOperations(
    fillHoles: input.take(0...60), minRegion: input.take(0...60), smooth: input.take(0...40),
    grow: input.take(-30...30))(mask)
  precondition(all.width == mask.width && all.pixels.count == mask.pixels.count)
}

private func checkCutouts(_ mask: BitMask, _ photo: RGBImage, _ input: inout FuzzInput) {
  var style = CutoutStyle()
  style.edges = input.take(0...1) == 1 ? .soft : .hard
  style.crop =
    [nil, .pixels(input.take(0...300)), .share(Double(input.take(0...300)) / 100)][
      input.take(0...2)]
  if input.take(0...1) == 1 {
    guard case .transparent(let picture) = style.cut(mask, from: photo) else {
      preconditionFailure("nothing lies behind it")
    }
    precondition(picture.width <= photo.width && picture.height <= photo.height)
    return
  }
  // Lines, too, however long.
  let (width, height) = [(1, 5_000), (5_000, 1), (input.take(1...99), input.take(1...99))][
    input.take(0...2)]
  style.background =
    input.take(0...3) == 0
    ? .colour(RGB(1, 2, 3))
    : .picture(
      RGBImage(
        width: width, height: height, pixels: input.fill(3 * width * height, below: 256)),
      sha256: "")
  guard case .opaque(let picture) = style.cut(mask, from: photo) else {
    preconditionFailure("something lies behind it")
  }
  precondition(picture.width <= photo.width && picture.height <= photo.height)
}

private func checkObscuring(
  _ photo: RGBImage, _ labels: LabelMap, _ persons: LabelMap?, _ input: inout FuzzInput
) {
  let names = ["Background", "Hat", "Face", "Coat", "Left-arm"]
  let classes = Set((1..<names.count).filter { _ in input.take(0...1) == 1 })
  var obscuring = Obscuring(
    classes, of: names, style: input.take(0...1) == 1 ? .blur : .pixelate)
  obscuring.grow = Float(input.take(0...300)) / 100
  let result = obscuring(photo, labels: labels, persons: persons)
  precondition(result.width == photo.width && result.pixels.count == photo.pixels.count)
  let isThere = labels.pixels.contains { obscuring.heads.union(obscuring.others).contains(Int($0)) }
  precondition(isThere || result == photo)
}
