import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// An HTML page to look through: for each photo thumbnails of photo, colour map, overlay and persons, the
/// share of each class, and why a photo failed. It needs nothing but itself, or, as a folder, what lies
/// beside it: there thumbnails are files, which a browser loads as they come into view.
///
/// The page holds a record a photo, as JSON; its script makes cards of as many as one looks at.
struct SheetExport: ExportFormat {
  let path: FilePath
  let isFolder: Bool
  let context: Exporter.Context
  let showsPhotos = true

  /// Pixels of the long side, twice what is shown on most screens.
  private static let thumbnailSide = 320
  private static let jpegQuality = 72

  /// One photo: what the page tells of it, and the pictures that lie beside the page.
  struct Record: Sendable {
    fileprivate let entry: String
    fileprivate let pictures: AtomicFolder.Record
  }

  private struct Entry: Encodable {
    let name: String
    let address: String
    let width: Int
    let height: Int
    /// How many; nil where they were not told apart.
    let persons: Int?
    /// Of the class that the network is least sure of; where there is none nothing is doubtful.
    let score: Double
    /// Classes and their shares of all pixels.
    let shares: [Share]
    /// Names of outputs, without the front that all have: their addresses begin with `front`.
    let outputs: [String]
    let front: String
    let photo: String?
    let map: String
    let personMap: String?
  }

  private struct Share: Encodable {
    let index: Int
    let share: Double
  }

  private struct FailedEntry: Encodable {
    let name: String
    let stage: String
    let failure: String
  }

  private struct Class: Encodable {
    let name: String
    let colour: String
  }

  func record(of photo: StoredResult) throws(FileFailure) -> Record {
    let (width, height) = (photo.labels.width, photo.labels.height)
    let scale = min(1, Double(Self.thumbnailSide) / Double(max(width, height)))
    let (small, low) = (
      max(1, Int((Double(width) * scale).rounded())),
      max(1, Int((Double(height) * scale).rounded()))
    )
    var files: [(path: FilePath, content: AtomicFolder.Record.Content)] = []
    /// - Returns: The address of a picture, which is put beside the page or into it.
    func place(_ image: EncodedImage, in folder: FilePath, _ type: String) -> String {
      guard isFolder else {
        return "data:image/\(type);base64," + image.data.base64EncodedString()
      }
      let file = folder.appending(photo.file.exportName.components).appending(suffix: "." + type)
      files.append((file, .bytes(image.bytes)))
      return Self.address(file.components)
    }
    let map = try PNGEncoder.grey(
      levels(of: photo.labels.sampled(width: small, height: low)))
    let thumbnail = try read(photo).map { (image) throws(FileFailure) in
      try JPEGEncoder.rgb(
        RGBImage(
          width: small, height: low,
          pixels: Resizer().withResized(image, width: small, height: low) { Array($0) }),
        quality: Self.jpegQuality)
    }
    let count = photo.sidecar.options.persons?.map ?? false ? photo.sidecar.persons?.count : nil
    let persons =
      count ?? 0 > 0
      ? try PNGEncoder.labelMap(
        photo.persons.sampled(width: small, height: low), palette: Palette.persons.colours,
        transparentBackground: true) : nil
    let found = photo.sidecar.classes.filter { $0.index > 0 }
    let outputs = photo.file.outputs
    let entry = Entry(
      name: photo.file.input.relativePath.string, address: address(of: photo.file.input.path),
      width: width, height: height, persons: count,
      score: Self.rounded(Double(found.compactMap(\.score).min() ?? 1)),
      shares: found.map { Share(index: $0.index, share: Self.rounded($0.share)) },
      outputs: photo.sidecar.outputs.filter { $0.path.components.count == 1 }.map {
        String(decoding: $0.path.bytes.dropFirst(outputs.stem.count), as: UTF8.self)
      },
      front: address(of: outputs.folder.appending(name: outputs.stem)),
      photo: thumbnail.map { place($0, in: "photos", "jpeg") },
      map: place(map, in: "maps", "png"),
      personMap: persons.map { place($0, in: "persons", "png") })
    return Record(entry: JSONText.of(entry), pictures: .init(files: files))
  }

  func record(of failed: FailedPhoto) -> Record? {
    let entry = FailedEntry(
      name: failed.file.input.relativePath.string, stage: failed.failure.stage.rawValue,
      failure: context.explain(failed.failure))
    return Record(entry: JSONText.of(entry), pictures: .init())
  }

  func makeWriter() throws(FileFailure) -> Writer { try Writer(self) }

  final class Writer: ExportWriter {
    private let folder: AtomicFolder?
    private let page: StreamedFile
    private var isFirst = true

    fileprivate init(_ format: SheetExport) throws(FileFailure) {
      if format.isFolder {
        let folder = try AtomicFolder(format.path)
        page = try folder.streamedFile(named: SheetExport.pageName)
        self.folder = folder
      } else {
        page = try StreamedFile(format.path)
        folder = nil
      }
      try page.write(format.head)
    }

    func add(_ record: Record, for access: FileAccess) throws(FileFailure) {
      page.restrict(to: access)
      try page.write((isFirst ? "\n" : ",\n") + SheetExport.inScript(record.entry))
      isFirst = false
      try folder?.add(record.pictures, for: access)
    }

    func finish() throws(FileFailure) {
      try page.write(
        "\n]}</script>\n<script>\(SheetExport.script)</script>\n</body>\n</html>\n")
      try page.commit()
      try folder?.finish()
    }
  }

  private static let pageName: FilePath.Component = "index.html"
  private static let style = "\n" + String(decoding: PackageResources.sheet_css, as: UTF8.self)
  private static let script = "\n" + String(decoding: PackageResources.sheet_js, as: UTF8.self)

  /// What the page may load and run: its own pictures, style and script, and nothing that a name or a class
  /// may bring in. (Content Security Policy Level 3, https://www.w3.org/TR/CSP3/)
  private var policy: String {
    func digest(_ text: String) -> String {
      let digest = Array(text.utf8).withUnsafeBytes { SHA256.digest(of: $0) }
      return "'sha256-\(Array(digest).base64Text)'"
    }
    // On a disk nothing has the same origin as anything else.
    return "default-src 'none'; img-src \(isFolder ? "'self' file:" : "data:"); "
      + "style-src \(digest(Self.style)); script-src \(digest(Self.script)); "
      + "base-uri 'none'; form-action 'none'"
  }

  /// All up to the first photo.
  private var head: String {
    let classes = context.classes.indices.map { index in
      Class(
        name: context.classes[index],
        colour: context.palette.indices.contains(index) ? context.palette[index].hex : "#808080")
    }
    return """
      \(ExportSignature.sheet) \(context.version.escapedForMarkup)">
      <meta http-equiv="Content-Security-Policy" content="\(policy)">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>Human parsing</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      <header><h1>Human parsing</h1>
      <p class="meta">Model \(context.model.escapedForMarkup). Shares are of all pixels of a photo.</p>
      </header>
      <form><div>
      <label>Find <input id="find" type="search" placeholder="a name"></label>
      <label>Show <select id="show"><option value="all">all photos</option>\
      <option value="failed">failures</option><option value="nobody">nobody found</option></select></label>
      <label>Sort by <select id="sort"><option value="name">name</option>\
      <option value="score">worst score</option><option value="persons">persons</option>\
      <option value="found">area found</option><optgroup label="share of"></optgroup></select></label>
      <label>View <select id="view"><option value="">all three</option>\
      <option value="photo">photo</option><option value="map">colour map</option>\
      <option value="overlay">overlay</option><option value="persons">persons</option></select></label>
      </div>
      <details><summary>Classes in the maps</summary><div class="legend"></div></details></form>
      <div class="pages"><p role="status"></p><nav aria-label="Pages" hidden>\
      <button type="button" value="-1">Previous</button>\
      <label>Page <input type="number" min="1" required></label>\
      <button type="button" value="1">Next</button></nav></div>
      <main></main>
      <dialog></dialog>
      <svg aria-hidden="true"></svg>
      <script type="application/json">{"classes":\(Self.inScript(JSONText.of(classes))),"photos":[
      """
  }

  /// JSON as it may stand in an element of a page.
  private static func inScript(_ json: String) -> String {
    guard json.utf8.contains(UInt8(ascii: "<")) else { return json }
    return String(
      decoding: json.utf8.flatMap { $0 == UInt8(ascii: "<") ? Array(#"\u003c"#.utf8) : [$0] },
      as: UTF8.self)
  }

  /// A picture of classes that the page can colour, and leave classes out of: for class i of n the grey
  /// in the middle of the i-th of n parts of the scale, so that no colour management takes it for another.
  private func levels(of map: LabelMap) -> LabelMap {
    let count = Double(context.classes.count)
    let levels = (0...UInt8.max).map {
      UInt8(min(255, ((Double($0) + 0.5) * 255 / count).rounded()))
    }
    return LabelMap(
      width: map.width, height: map.height, pixels: map.pixels.map { levels[Int($0)] })
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

  /// The address of a file from where the page lies.
  private func address(of file: FilePath) -> String {
    let current = FilePath(FileManager.default.currentDirectoryPath)
    let from = current.pushing(isFolder ? path : path.folder).lexicallyNormalized().components
    let to = current.pushing(file).lexicallyNormalized().components
    let common = zip(from, to).prefix { $0 == $1 }.count
    return String(repeating: "../", count: from.count - common)
      + Self.address(to.dropFirst(common))
  }

  /// Names as an address, each byte that may mean something in one encoded (RFC 3986).
  private static func address(_ names: some Sequence<FilePath.Component>) -> String {
    names.map { name in
      name.bytes.map { byte in
        let character = Character(UnicodeScalar(byte))
        return character.isASCII && (character.isLetter || character.isNumber)
          || "-._~".contains(character)
          ? String(character) : String(printf: "%%%02X", byte)
      }.joined()
    }.joined(separator: "/")
  }

  /// To five places.
  private static func rounded(_ share: Double) -> Double { (share * 1e5).rounded() / 1e5 }
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
