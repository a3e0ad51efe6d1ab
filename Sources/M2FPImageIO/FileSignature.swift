/// What the first bytes of a file give away.
enum FileSignature {
  case supported(ImageCodec)
  /// Something we can name but not read, with its article ("a WebP image"), and what to do about it.
  case known(String, remedy: String = "convert it to JPEG or PNG")
  case unknown

  init(_ bytes: UnsafeRawBufferPointer) {
    func has(_ text: String, at offset: Int = 0) -> Bool {
      let wanted = Array(text.utf8)
      return bytes.count >= offset + wanted.count
        && bytes[offset..<(offset + wanted.count)].elementsEqual(wanted)
    }
    func has(_ wanted: [UInt8]) -> Bool { bytes.starts(with: wanted) }

    if let codec = ImageCodec.of(bytes) {
      self = .supported(codec)
    } else if has("FUJIFILMCCD-RAW") || has("IIRO") || has("IIRS") || has("MMOR") || has("IIU\0") {
      self = .known("a camera raw image")
    } else if has("ftyp", at: 4) {
      self = .known(Self.isoMedia(brand: bytes))
    } else if has("%PDF-") {
      self = .known("a PDF document")
    } else if has([0xFF, 0x4F, 0xFF, 0x51]) || has("jP  ", at: 4) {
      self = .known("a JPEG 2000 image")
    } else if has("8BPS") {
      self = .known("a Photoshop document")
    } else if has("PK\u{3}\u{4}") {
      self = .known("a ZIP archive", remedy: "unpack it")
    } else if has([0x1F, 0x8B]) {
      self = .known("a gzip archive", remedy: "unpack it")
    } else {
      self = Self.text(bytes)
    }
  }

  /// The boxes that begin with `ftyp` share a structure; the brand tells them apart.
  private static func isoMedia(brand bytes: UnsafeRawBufferPointer) -> String {
    guard bytes.count >= 12 else { return "an ISO media file" }
    switch String(decoding: bytes[8..<12], as: UTF8.self) {
    case "crx ": return "a Canon CR3 camera raw image"
    default: return "a video or other ISO media file"
    }
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> FileSignature {
    let head = bytes.prefix(512)
    let isText = head.allSatisfy { $0 >= 0x20 && $0 != 0x7F || (0x09...0x0D).contains($0) }
    guard isText, !head.isEmpty else { return .unknown }
    let text = String(decoding: head.drop { $0 <= 0x20 }, as: UTF8.self)
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      return .known("a Git LFS pointer, not an image", remedy: "run `git lfs pull`")
    }
    let start = text.lowercased()
    if start.contains("<svg") { return .known("an SVG drawing") }
    if start.contains("<html") || start.contains("<!doctype html") {
      return .known("a web page, not an image", remedy: "download the image itself")
    }
    // What the signatures of JPEG, PNG, WebP and GIF become in base64.
    if start.hasPrefix("data:image/")
      || ["/9j/", "iVBORw0KGgo", "UklGR", "R0lGOD"].contains(where: { text.hasPrefix($0) })
    {
      return .known("an image written as base64 text", remedy: "decode it with `base64 -d`")
    }
    return .known("text, not an image", remedy: "give it a photo")
  }
}
