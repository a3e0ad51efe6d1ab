import M2FP
import M2FPCore
import M2FPImageIO
import M2FPServe
import SystemPackage

/// What a request asks of its photo.
struct PhotoOptions: Sendable {
  var parsing: ParserOptions
  var output = Output.map
  /// Whether the output was asked for by its name.
  var namesOutput = false
  /// Seconds; nil for the server's own.
  var deadline: Double?
  /// The photo's name, of harmless characters.
  var name = "photo"

  static let names = [
    "masks", "persons", "person-masks", "min-person-score", "overlay", "overlay-names",
    "overlay-outlines", "overlay-format", "overlay-opacity", "cutout", "cutout-persons",
    "cutout-edges", "crop", "background", "blur", "pixelate", "obscured-grow", "obscured-format",
    "max-side", "deadline", "output", "name",
  ]

  /// - Parameters:
  ///   - fields: Names and values, of the query or a form.
  ///   - model: Whose own options hold for what is not named.
  ///   - font: What names are written in, if there is a font.
  ///   - accept: What the client takes, in HTTP's words.
  /// - Throws: ``Problem``.
  init(
    _ fields: [(name: String, value: String)], of model: ServedModel, font: Font?, accept: String?
  ) throws(Problem) {
    parsing = model.parser.options
    let classes = model.parser.classes
    var (overlay, cutout): (Bool?, String?)
    var cutsPersons = parsing.outputs.cutout?.perPerson ?? false
    var style = parsing.outputs.overlay ?? OverlayStyle()
    var cutoutStyle = parsing.outputs.cutout?.style ?? CutoutStyle()
    var (obscuring, grow, obscuredFormat): (Obscuring?, Float?, PictureFormat?)
    for (name, value) in fields {
      switch name {
      case "masks": parsing.outputs.masks = try Self.classes(value, name, classes)
      case "persons": parsing.outputs.personMap = try Self.truth(value, name)
      case "person-masks": parsing.outputs.personMasks = try Self.classes(value, name, classes)
      case "min-person-score":
        parsing.persons?.minScore = Float(try Self.number(value, name, 0...1))
      case "overlay": overlay = try Self.truth(value, name)
      case "overlay-names":
        style.font = try Self.truth(value, name) ? font : nil
        if style.font == nil, try Self.truth(value, name) {
          throw Problem(400, "bad-request", "There is no font here to write names in.")
        }
      case "overlay-outlines": style.outlines = try Self.truth(value, name)
      case "overlay-opacity": style.opacity = Float(try Self.number(value, name, 0...1))
      case "overlay-format": style.format = try Self.format(value, name)
      case "cutout": cutout = value
      case "cutout-persons": cutsPersons = try Self.truth(value, name)
      case "cutout-edges":
        guard let edges = CutoutStyle.Edges(rawValue: value) else {
          throw Problem(400, "bad-request", "cutout-edges is soft or hard.")
        }
        cutoutStyle.edges = edges
      case "crop": cutoutStyle.crop = try Self.margin(value, name)
      case "background":
        guard let colour = RGB(hex: value) else {
          throw Problem(400, "bad-request", "background is a colour, #rrggbb.")
        }
        cutoutStyle.background = .colour(colour)
      case "blur", "pixelate":
        let obscured = try Self.classes(value, name, classes)
        guard !obscured.isEmpty else {
          throw Problem(400, "bad-request", "\(name) names no class.")
        }
        obscuring = Obscuring(obscured, of: classes, style: name == "blur" ? .blur : .pixelate)
      case "obscured-grow": grow = Float(try Self.number(value, name, 0...5))
      case "obscured-format": obscuredFormat = try Self.format(value, name)
      case "max-side":
        let side = Int(try Self.number(value, name, 64...100_000))
        // A ceiling is not raised.
        parsing.maxSide = parsing.maxSide == 0 ? side : min(side, parsing.maxSide)
      case "deadline": deadline = try Self.number(value, name, 0.1...86_400)
      case "output":
        output = try Output(value)
        namesOutput = true
      case "name": self.name = Self.clean(value)
      default:
        throw Problem(
          400, "unknown-option",
          "There is no option '\(name.prefix(40))'"
            + (SpellingSuggestion.question(to: name, in: Self.names) ?? "."))
      }
    }
    if !namesOutput { output = try Output(accept: accept) }
    // What is wanted is made.
    if output == .overlay { overlay = overlay ?? true }
    if output == .persons { parsing.outputs.personMap = true }
    if output == .cutout, cutout == nil, parsing.outputs.cutout == nil { cutout = "all" }
    if case .mask(let slug) = output {
      parsing.outputs.masks.formUnion(try Self.classes(slug, "output", classes))
    }
    if let overlay {
      parsing.outputs.overlay = overlay ? style : nil
    } else if parsing.outputs.overlay != nil {
      parsing.outputs.overlay = style
    }
    let cut = try cutout.map { (cutout) throws(Problem) in
      try Self.classes(cutout, "cutout", classes)
    }
    if cut != nil || cutsPersons {
      parsing.outputs.cutout = OutputSelection.Cutout(
        classes: cut ?? parsing.outputs.cutout?.classes, perPerson: cutsPersons,
        style: cutoutStyle)
    }
    if cutsPersons { parsing.outputs.personMap = true }
    if var obscuring {
      if let grow { obscuring.grow = grow }
      parsing.outputs.obscured = OutputSelection.Obscured(
        obscuring, format: obscuredFormat ?? .jpeg)
    }
    if output == .obscured, parsing.outputs.obscured == nil {
      throw Problem(400, "bad-request", "obscured needs blur or pixelate, which name classes.")
    }
    // The same pictures have the same key, whatever else was said of them.
    if parsing.outputs.cutout?.classes?.isEmpty == true {
      throw Problem(400, "bad-request", "cutout names no class.")
    }
  }

  private static func truth(_ value: String, _ name: String) throws(Problem) -> Bool {
    switch value.lowercased() {
    case "", "1", "true", "yes", "on": return true
    case "0", "false", "no", "off": return false
    default: throw Problem(400, "bad-request", "\(name) is true or false.")
    }
  }

  private static func number(
    _ value: String, _ name: String, _ range: ClosedRange<Double>
  ) throws(Problem) -> Double {
    guard let number = Double(value), range.contains(number) else {
      let bounds =
        "\(PrometheusText.number(range.lowerBound)) to "
        + PrometheusText.number(range.upperBound)
      throw Problem(400, "bad-request", "\(name) is a number from \(bounds).")
    }
    return number
  }

  private static func format(_ value: String, _ name: String) throws(Problem) -> PictureFormat {
    guard let format = ["jpg": PictureFormat.jpeg, "png": .png][value] else {
      throw Problem(400, "bad-request", "\(name) is jpg or png.")
    }
    return format
  }

  /// Pixels, or a share: `40` or `5%`.
  private static func margin(
    _ value: String, _ name: String
  ) throws(Problem) -> CutoutStyle.Margin {
    if value.last == "%", let percent = Double(value.dropLast()), (0...100).contains(percent) {
      return .share(percent / 100)
    }
    if let pixels = Int(value), pixels >= 0 { return .pixels(pixels) }
    throw Problem(400, "bad-request", "\(name) is a number of pixels, or of % of the longer side.")
  }

  /// The indices of the classes that are meant: `all`, `none`, or names.
  private static func classes(
    _ value: String, _ name: String, _ classes: [String]
  ) throws(Problem) -> Set<Int> {
    switch value {
    case "all": return Set(1..<classes.count)
    case "none", "": return []
    default:
      var indices: Set<Int> = []
      for word in value.split(separator: ",") {
        guard let index = ClassNames.index(of: String(word), in: classes) else {
          let hint = SpellingSuggestion.nearest(
            to: String(word), in: classes.map(ClassNames.slug))
          throw Problem(
            400, "bad-request",
            "\(name): no class is named '\(word.prefix(40))'"
              + (hint.map { "; did you mean '\($0)'?" } ?? "."))
        }
        indices.insert(index)
      }
      return indices
    }
  }

  /// A name for files: letters, digits and little else, of any client's making.
  static func clean(_ name: String) -> String {
    let last = Array(name.utf8).split { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }.last
    let kept = (last ?? []).filter { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    let text = String(decoding: kept.drop { $0 == UInt8(ascii: ".") }.prefix(100), as: UTF8.self)
    return text.isEmpty ? "photo" : text
  }
}

/// Which of a photo's outputs is sent.
enum Output: Sendable, Equatable {
  case map, json, overlay, cutout, obscured, persons, zip, multipart
  /// Of a class, by its slug.
  case mask(String)

  static let names = [
    "map", "json", "overlay", "cutout", "obscured", "persons", "mask:CLASS", "zip", "multipart",
  ]

  /// By which it is asked for.
  var name: String {
    switch self {
    case .map: "map"
    case .json: "json"
    case .overlay: "overlay"
    case .cutout: "cutout"
    case .obscured: "obscured"
    case .persons: "persons"
    case .zip: "zip"
    case .multipart: "multipart"
    case .mask(let name): "mask:" + ClassNames.slug(name)
    }
  }

  /// Whether it lies there as it is sent.
  var isOneFile: Bool {
    switch self {
    case .map, .overlay, .cutout, .obscured, .persons, .mask: true
    case .json, .zip, .multipart: false
    }
  }

  init(_ name: String) throws(Problem) {
    switch name {
    case "map": self = .map
    case "json": self = .json
    case "overlay": self = .overlay
    case "cutout": self = .cutout
    case "obscured": self = .obscured
    case "persons": self = .persons
    case "zip": self = .zip
    case "multipart": self = .multipart
    case _ where name.hasPrefix("mask:") && name.count > 5: self = .mask(String(name.dropFirst(5)))
    default:
      throw Problem(400, "bad-request", "output is one of \(Self.names.joined(separator: ", ")).")
    }
  }

  /// What a client takes best, of what there is.
  ///
  /// - Parameter accept: RFC 9110's field; nil for anything.
  /// - Throws: ``Problem`` where nothing fits.
  init(accept: String?) throws(Problem) {
    let offers: [(type: String, output: Output)] = [
      ("image/png", .map), ("application/json", .json), ("image/jpeg", .overlay),
      ("application/zip", .zip), ("multipart/mixed", .multipart),
    ]
    guard let accept, !accept.isEmpty else {
      self = .map
      return
    }
    let wishes = accept.split(separator: ",").map { piece in
      let field = Multipart.parameters(String(piece))
      return (
        type: field.value.lowercased(), quality: Double(field.parameters["q"] ?? "1") ?? 0
      )
    }
    func quality(_ type: String) -> Double {
      let family = type.prefix { $0 != "/" } + "/*"
      return wishes.first { $0.type == type }?.quality
        ?? wishes.first { $0.type == family }?.quality
        ?? wishes.first { $0.type == "*/*" }?.quality ?? 0
    }
    let ranked = offers.map { ($0.output, quality($0.type)) }
    let best = ranked.map(\.1).max() ?? 0
    guard best > 0, let first = ranked.first(where: { $0.1 == best }) else {
      throw Problem(
        406, "not-acceptable", "There is \(offers.map(\.type).joined(separator: ", ")).")
    }
    self = first.0
  }
}
