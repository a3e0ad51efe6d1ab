import ArgumentParser
import M2FPCore
import M2FPImageIO

/// Options of `parse -`, which takes one photo from standard input.
struct FilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "With - for the photo on standard input: what of it goes to standard output. Default: json.",
      valueName: FilterOutput.allValueStrings.joined(separator: "|")))
  var output: FilterOutput?
}

/// What `parse -` writes.
enum FilterOutput: ExpressibleByArgument, Equatable {
  /// What was found, as text.
  case json
  case map, overlay, cutout, obscured, persons
  /// By the name of its class.
  case mask(String)

  init?(argument: String) {
    switch argument {
    case "json": self = .json
    case "map": self = .map
    case "overlay": self = .overlay
    case "cutout": self = .cutout
    case "obscured": self = .obscured
    case "persons": self = .persons
    default:
      guard argument.hasPrefix(Self.maskPrefix), argument != Self.maskPrefix else { return nil }
      self = .mask(String(argument.dropFirst(Self.maskPrefix.count)))
    }
  }

  private static let maskPrefix = "mask:"

  static let allValueStrings = [
    "map", "overlay", "cutout", "obscured", "persons", "json", "mask:CLASS",
  ]
  static let defaultCompletionKind = CompletionKind.list(Array(allValueStrings.dropLast()))

  /// The picture that is meant; nil for text.
  ///
  /// - Throws: `ValidationError` for a class that is none.
  func picture(of pictures: RenderingOptions, classes: [String]) throws -> OutputKind? {
    switch self {
    case .json: return nil
    case .map: return .labelMap
    case .overlay: return .overlay((pictures.overlayFormat ?? .jpg).format)
    case .obscured:
      guard let obscured = try pictures.obscuring.selection(classes: classes) else {
        throw ValidationError("--output obscured needs --blur or --pixelate: add one.")
      }
      return .obscured(obscured.format)
    case .cutout: return .cutout
    case .persons: return .personMap
    case .mask(let name):
      let indices = try ClassList.indices(name, option: "--output mask:", classes: classes)
      guard indices.count == 1, let index = indices.first else {
        throw ValidationError("--output mask:CLASS takes one class, not '\(name)'.")
      }
      return .mask(ClassNames.slug(classes[index]))
    }
  }
}
