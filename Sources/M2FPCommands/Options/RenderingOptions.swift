import ArgumentParser
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults
import SystemPackage

/// Options of `parse` that make pictures for people.
struct RenderingOptions: ParsableArguments {
  @Flag(help: "Also write photo.m2fp.overlay.jpg: the photo under translucent colours.")
  var overlay = false

  @Option(
    help: ArgumentHelp("The overlay's format: jpg or png. Default: jpg.", valueName: "jpg|png"))
  var overlayFormat: OverlayFormat?

  @Option(
    help: ArgumentHelp(
      "The colours' share in the overlay, 0 to 1. Default: 0.5.", valueName: "share"))
  var overlayOpacity: Float?

  @Flag(help: "Draw the edges of classes and persons in the overlay.")
  var overlayOutlines = false

  @Flag(help: "Write the classes' names beside their regions in the overlay.")
  var overlayNames = false

  @Option(
    help: ArgumentHelp(
      "The font of the names: a TrueType or OpenType file. Default: DejaVu Sans, as installed.",
      valueName: "file"))
  var overlayFont: String?

  @OptionGroup var cutouts: CutoutOptions

  @OptionGroup var obscuring: ObscuringOptions

  /// Whether persons must be told apart for the pictures.
  var needPersons: Bool { cutouts.cutoutPersons }

  /// The names of those that ``OptionConflicts`` knows and that were given.
  var given: Set<String> {
    let options: [(Bool, String)] = [
      (overlay, "overlay"), (overlayFormat != nil, "overlay-format"),
      (overlayOpacity != nil, "overlay-opacity"), (overlayOutlines, "overlay-outlines"),
      (overlayNames, "overlay-names"), (overlayFont != nil, "overlay-font"),
    ]
    return Set(options.filter(\.0).map(\.1)).union(cutouts.given).union(obscuring.given)
  }

  func validate() throws {
    if let overlayOpacity, !(0...1).contains(overlayOpacity) {
      throw ValidationError("--overlay-opacity is 0 to 1.")
    }
  }

  /// All pictures that a command line asks for.
  ///
  /// - Parameters:
  ///   - masks: What `--masks` says.
  ///   - operations: What is done to masks.
  ///   - persons: What is written of persons.
  ///   - exports: What is exported, and may tell persons apart.
  ///   - classes: The names of the results' classes.
  ///   - palette: Their colours.
  /// - Returns: The pictures.
  /// - Throws: `ValidationError` for a name that is none, and where there is no font to write names in.
  func selection(
    masks: String, _ operations: MaskOperations, persons: PersonOutputOptions,
    exports: ExportOptions, classes: [String],
    palette: [RGB]
  ) throws -> OutputSelection {
    var selection = OutputSelection()
    selection.palette = palette
    selection.masks = try ClassList.indices(masks, option: "--masks", classes: classes)
    selection.maskOperations = operations
    selection.personMap = persons.persons || needPersons || exports.needPersons
    selection.personMasks = try persons.maskClasses(classes)
    selection.overlay = try overlayStyle()
    selection.cutout = try cutouts.selection(classes: classes)
    selection.obscured = try obscuring.selection(classes: classes)
    return selection
  }

  /// How the overlay looks; nil for none.
  ///
  /// - Throws: `ValidationError` where there is no font to write names in.
  func overlayStyle() throws -> OverlayStyle? {
    overlay ? try style() : nil
  }

  /// How an overlay looks.
  ///
  /// - Throws: `ValidationError` where there is no font to write names in.
  func style() throws -> OverlayStyle {
    var style = OverlayStyle()
    style.format = overlayFormat?.format ?? .jpeg
    style.opacity = overlayOpacity ?? 0.5
    style.outlines = overlayOutlines
    if overlayNames { style.font = try font() }
    return style
  }

  private func font() throws -> Font {
    if let overlayFont {
      if let font = Font(path: overlayFont) { return font }
      throw ValidationError("--overlay-font \(overlayFont): not a font file that can be read.")
    }
    let paths = [ModelLocator.shareFolder.appending("fonts/DejaVuSans.ttf").string]
    if let font = (paths + Font.usualPaths).lazy.compactMap({ Font(path: $0) }).first {
      return font
    }
    throw ValidationError(
      "--overlay-names needs a font: install Debian's fonts-dejavu-core, or name a font file with "
        + "--overlay-font.")
  }
}

/// The format of a picture, by its extension.
enum OverlayFormat: String, ExpressibleByArgument, CaseIterable {
  case jpg, png

  var format: PictureFormat {
    switch self {
    case .jpg: .jpeg
    case .png: .png
    }
  }
}
