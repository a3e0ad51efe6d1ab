import ArgumentParser
import M2FPCore
import M2FPImageIO

/// Options of the photo with parts of it made unrecognisable.
struct ObscuringOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Also write photo.m2fp.obscured.jpg: the photo with these classes blurred beyond recognition, in \
      regions that are grown and closed. One of face, hair, hat and sunglasses means whole heads. Who is \
      not found is not blurred.
      """, valueName: "a,b,..."), completion: .classList)
  var blur: String?

  @Option(
    help: ArgumentHelp(
      "The same in a mosaic of a few cells a head.", valueName: "a,b,..."), completion: .classList)
  var pixelate: String?

  @Option(
    help: ArgumentHelp(
      "How far --blur and --pixelate grow what is found: the share of its size (a head's side). "
        + "Default: 0.3.", valueName: "share"))
  var obscuredGrow: Float?

  @Option(
    help: ArgumentHelp(
      "The format of the photo of --blur and --pixelate: jpg or png. Default: jpg.",
      valueName: "jpg|png"))
  var obscuredFormat: OverlayFormat?

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    let options: [(Bool, String)] = [
      (blur != nil, "blur"), (pixelate != nil, "pixelate"),
      (obscuredGrow != nil, "obscured-grow"), (obscuredFormat != nil, "obscured-format"),
    ]
    return Set(options.filter(\.0).map(\.1))
  }

  func validate() throws {
    if let obscuredGrow, !(0...5).contains(obscuredGrow) {
      throw ValidationError("--obscured-grow is 0 to 5.")
    }
  }

  /// What is made unrecognisable; nil for nothing.
  ///
  /// - Throws: `ValidationError` for a name that is none.
  func selection(classes: [String]) throws -> OutputSelection.Obscured? {
    let wanted: [(String?, String, Obscuring.Style)] = [
      (blur, "--blur", .blur), (pixelate, "--pixelate", .pixelate),
    ]
    for case (let names?, let option, let style) in wanted {
      let indices = try ClassList.indices(names, option: option, classes: classes)
      if indices.isEmpty {
        throw ValidationError("\(option) names no class; 'm2fp classes' lists them.")
      }
      var obscuring = Obscuring(indices, of: classes, style: style)
      if let obscuredGrow { obscuring.grow = obscuredGrow }
      return OutputSelection.Obscured(obscuring, format: (obscuredFormat ?? .jpg).format)
    }
    return nil
  }
}
