import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// One HTML page to look through: for each photo thumbnails of photo, colour map and overlay, the
/// share of each class, and why a photo failed. It needs nothing but itself.
struct SheetExport: ExportFormat {
  let path: FilePath
  let context: Exporter.Context
  let showsPhotos = true

  /// Pixels of the long side, twice what is shown on most screens.
  private static let thumbnailSide = 320
  private static let jpegQuality = 72

  func record(of photo: StoredResult) throws(FileFailure) -> String {
    let (width, height) = (photo.labels.width, photo.labels.height)
    let scale = min(1, Double(Self.thumbnailSide) / Double(max(width, height)))
    let (small, low) = (
      max(1, Int((Double(width) * scale).rounded())),
      max(1, Int((Double(height) * scale).rounded()))
    )
    let map = try PNGEncoder.labelMap(
      photo.labels.sampled(width: small, height: low), palette: context.palette,
      transparentBackground: true)
    var style = "--ratio:\(small)/\(low);--map:\(Self.uri(map, "png"))"
    if let image = read(photo) {
      let pixels = Resizer().withResized(image, width: small, height: low) { Array($0) }
      let thumbnail = RGBImage(width: small, height: low, pixels: pixels)
      style +=
        ";--photo:"
        + Self.uri(try JPEGEncoder.rgb(thumbnail, quality: Self.jpegQuality), "jpeg")
    }
    let name = photo.file.input.relativePath.string.escapedForMarkup
    let found = photo.sidecar.classes.filter { $0.index > 0 }
    let total = max(found.reduce(0) { $0 + $1.pixels }, 1)
    let shares = found.map { "\($0.index):\(Self.rounded($0.share))" }.joined(separator: " ")
    let people = photo.sidecar.options.persons?.map ?? false ? photo.sidecar.persons?.count : nil
    let outputs = photo.sidecar.outputs.filter { $0.path.components.count == 1 }.map { output in
      let file = photo.file.outputs.folder.appending(output.path.components)
      let suffix = output.path.bytes.dropFirst(photo.file.outputs.stem.count + 1)
      return "<a href=\"\(address(of: file))\">"
        + String(decoding: suffix, as: UTF8.self).escapedForMarkup + "</a>"
    }
    let facts =
      ["\(width) × \(height)"] + (people.map { [$0 == 1 ? "1 person" : "\($0) persons"] } ?? [])
      + (found.isEmpty ? ["nobody found"] : []) + outputs
    // The class that the network is least sure of; where there is none nothing is doubtful.
    let worst = Double(found.compactMap(\.score).min() ?? 1)
    let bar = found.map { share in
      "<i style=\"flex:\(Self.rounded(Double(share.pixels) / Double(total)));"
        + "background:\(colour(share.index))\"></i>"
    }.joined()
    let list = found.sorted { $0.pixels > $1.pixels }.map { share in
      "<li><i style=\"background:\(colour(share.index))\"></i>\(share.name.escapedForMarkup) "
        + "<b>\(Self.percent(share.share))</b></li>"
    }.joined()
    return """
      <article data-shares="\(shares)" data-persons="\(people ?? -1)" data-score="\(Self.rounded(worst))">
      <h2><a href="\(address(of: photo.file.input.path))">\(name)</a></h2><p class="facts">\(facts.joined(separator: " · "))</p>
      <div class="views" style="\(style)"><div class="photo" role="img" aria-label="Photo \(name)">\
      </div><div class="map" role="img" aria-label="Colour map of \(name)"></div>\
      <div class="overlay" role="img" aria-label="Colour map over photo \(name)"></div></div>
      <div class="bar" aria-hidden="true">\(bar)</div><ul>\(list)</ul>
      </article>

      """
  }

  func record(of failed: FailedPhoto) -> String? {
    """
    <article class="failed">
    <h2>\(failed.file.input.relativePath.string.escapedForMarkup)</h2>\
    <p class="facts">failed (\(failed.failure.stage.rawValue))</p>\
    <p>\(context.explain(failed.failure).escapedForMarkup)</p>
    </article>

    """
  }

  func makeWriter() throws(FileFailure) -> Writer { try Writer(self) }

  final class Writer: ExportWriter {
    private let file: StreamedFile

    fileprivate init(_ format: SheetExport) throws(FileFailure) {
      file = try StreamedFile(format.path)
      try file.write(format.head)
    }

    func add(_ record: String, for access: FileAccess) throws(FileFailure) {
      file.restrict(to: access)
      try file.write(record)
    }

    func finish() throws(FileFailure) {
      try file.write(
        "</main>\n<dialog></dialog>\n<script>\(SheetExport.script)</script>\n</body>\n</html>\n")
      try file.commit()
    }
  }

  private static let script = "\n" + String(decoding: PackageResources.sheet_js, as: UTF8.self)

  /// What the page may load and run: its own pictures and script, and nothing that a name or a class
  /// may bring in. (Content Security Policy Level 3, https://www.w3.org/TR/CSP3/)
  private static let policy: String = {
    let digest = Array(script.utf8).withUnsafeBytes { SHA256.digest(of: $0) }
    return "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
      + "script-src 'sha256-\(Array(digest).base64Text)'; base-uri 'none'; form-action 'none'"
  }()

  /// All up to the first photo.
  private var head: String {
    let style = String(decoding: PackageResources.sheet_css, as: UTF8.self)
    let classes = context.classes.enumerated().dropFirst().map { index, name in
      (index, name.escapedForMarkup)
    }
    let legend = classes.map { index, name in
      "<button type=\"button\" aria-pressed=\"true\" value=\"\(index)\">"
        + "<i style=\"background:\(colour(index))\"></i>\(name)</button>"
    }.joined()
    let shows = classes.map { "<option value=\"\($0)\">with \($1)</option>" }.joined()
    let sorts = classes.map { "<option value=\"\($0)\">\($1)</option>" }.joined()
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta http-equiv="Content-Security-Policy" content="\(Self.policy)">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="generator" content="\(context.generator.escapedForMarkup)">
      <title>Human parsing</title>
      <style>
      \(style)</style>
      </head>
      <body>
      <header><h1>Human parsing</h1>
      <p class="meta">Model \(context.model.escapedForMarkup). Shares are of all pixels of a photo.</p>
      </header>
      <form><div>
      <label>Find <input id="find" type="search" placeholder="a name"></label>
      <label>Show <select id="show"><option value="all">all photos</option>\
      <option value="failed">failures</option><option value="nobody">nobody found</option>\
      \(shows)</select></label>
      <label>Sort by <select id="sort"><option value="name">name</option>\
      <option value="score">worst score</option>\
      <option value="persons">persons</option><option value="found">area found</option>\
      <optgroup label="share of">\(sorts)</optgroup></select></label>
      <label>View <select id="view"><option value="">all three</option>\
      <option value="photo">photo</option><option value="map">colour map</option>\
      <option value="overlay">overlay</option></select></label>
      </div>
      <details><summary>Classes in the maps</summary><div class="legend">\(legend)</div></details></form>
      <p class="count" role="status"></p>
      <main>

      """
  }

  /// The photo, if it is still what was parsed.
  private func read(_ photo: StoredResult) -> RGBImage? {
    let (input, size) = (photo.file.input, (photo.labels.width, photo.labels.height))
    guard
      let bytes = try? FileReader.read(
        input.path, limit: Sidecar.sizeLimit, following: LinkRule(below: input.root, context.links)
      ).bytes,
      let image = try? ImageDecoder.decode(
        bytes, limits: ImageLimits(maxPixels: photo.labels.pixels.count)
      ).image,
      (image.width, image.height) == size
    else { return nil }
    return image
  }

  /// The address of a file from where the page lies: each byte of a name that may mean something in an
  /// address is encoded (RFC 3986).
  private func address(of file: FilePath) -> String {
    let current = FilePath(FileManager.default.currentDirectoryPath)
    let from = current.pushing(path.folder).lexicallyNormalized().components
    let to = current.pushing(file).lexicallyNormalized().components
    let common = zip(from, to).prefix { $0 == $1 }.count
    let names =
      [[UInt8]](repeating: Array("..".utf8), count: from.count - common)
      + to.dropFirst(common).map(\.bytes)
    return names.map { name in
      name.map { byte in
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber)
          || "-._~".contains(character)
          ? String(character) : String(printf: "%%%02X", byte)
      }.joined()
    }.joined(separator: "/")
  }

  private static func uri(_ image: EncodedImage, _ kind: String) -> String {
    "url(data:image/\(kind);base64,\(Data(image.bytes).base64EncodedString()))"
  }

  private func colour(_ index: Int) -> String {
    context.palette.indices.contains(index) ? context.palette[index].hex : "#808080"
  }

  private static func rounded(_ share: Double) -> String { String(printf: "%.5g", share) }

  private static func percent(_ share: Double) -> String {
    share < 0.0005 ? "< 0.1 %" : String(printf: "%.1f %%", share * 100)
  }
}

extension LabelMap {
  /// The map at another size, each pixel the nearest of the old ones.
  func sampled(width newWidth: Int, height newHeight: Int) -> LabelMap {
    var result: [UInt8] = []
    result.reserveCapacity(newWidth * newHeight)
    for y in 0..<newHeight {
      let row = (2 * y + 1) * height / (2 * newHeight) * width
      for x in 0..<newWidth { result.append(pixels[row + (2 * x + 1) * width / (2 * newWidth)]) }
    }
    return LabelMap(width: newWidth, height: newHeight, pixels: result)
  }
}
