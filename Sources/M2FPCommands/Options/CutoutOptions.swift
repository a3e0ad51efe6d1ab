import ArgumentParser
import M2FPCore
import M2FPFiles
import M2FPImageIO

/// Options of what is cut out of photos.
struct CutoutOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Also write photo.m2fp.cutout.png: the photo where it shows these classes, transparent "
        + "elsewhere. 'all' means every class but the background.", valueName: "all|a,b,..."))
  var cutout: String?

  @Flag(
    help: """
      Cut out each person by itself: photo.m2fp/person-1.cutout.png, ...; without --cutout, whole \
      persons. Tells persons apart as --persons does.
      """)
  var cutoutPersons = false

  @Option(
    help: ArgumentHelp(
      "Edges of cutouts: soft ones follow hair and cloth by the photo's colours. Default: soft.",
      valueName: "soft|hard"))
  var cutoutEdges: CutoutStyle.Edges?

  @Option(
    help: ArgumentHelp(
      """
      Crop cutouts to what they show, with this margin: pixels, or % of its longer side. Default: the \
      photo's own canvas.
      """, valueName: "pixels|%"))
  var crop: Amount?

  @Option(
    help: ArgumentHelp(
      "What lies behind cutouts: a colour, #rrggbb, or a picture. Default: nothing, they are transparent.",
      valueName: "#rrggbb|file"), completion: .file())
  var background: String?

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    let options: [(Bool, String)] = [
      (cutout != nil, "cutout"), (cutoutPersons, "cutout-persons"),
      (cutoutEdges != nil, "cutout-edges"), (crop != nil, "crop"),
      (background != nil, "background"),
    ]
    return Set(options.filter(\.0).map(\.1))
  }

  /// What is cut out; nil for nothing.
  ///
  /// - Throws: `ValidationError` for a name that is none, or a picture that cannot be read.
  func selection(classes: [String]) throws -> OutputSelection.Cutout? {
    guard cutout != nil || cutoutPersons else { return nil }
    let indices = try cutout.map {
      try ClassList.indices($0, option: "--cutout", classes: classes)
    }
    if indices?.isEmpty == true {
      throw ValidationError("--cutout names no class; 'm2fp classes' lists them.")
    }
    return OutputSelection.Cutout(
      classes: indices, perPerson: cutoutPersons, style: try style())
  }

  /// How cutouts look.
  ///
  /// - Throws: `ValidationError` for a picture that cannot be read.
  func style() throws -> CutoutStyle {
    var style = CutoutStyle()
    style.edges = cutoutEdges ?? .soft
    style.crop = crop.map {
      switch $0 {
      case .pixels(let pixels): .pixels(pixels)
      case .share(let share): .share(share)
      }
    }
    style.background = try background.map(Self.background)
    return style
  }

  private static func background(_ text: String) throws -> CutoutStyle.Background {
    if let colour = RGB(hex: text) { return .colour(colour) }
    let bytes = try OptionFile.read(text, option: "--background", limit: 1 << 28) {
      "no colour (#rrggbb), and there is no file of that name."
    }
    do throws(FileFailure) {
      let picture = try ImageDecoder.decode(bytes, limits: ImageLimits())
      return .picture(
        picture.image, sha256: bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) })
    } catch {
      throw ValidationError("--background \(text): \(error.message).")
    }
  }
}

extension CutoutStyle.Edges: ExpressibleByArgument {}
