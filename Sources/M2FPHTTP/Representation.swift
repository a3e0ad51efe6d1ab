import FoundationEssentials
import HTTPTypes
import M2FPCore
import M2FPImageIO
import M2FPResults
import M2FPServe
import SystemPackage

/// The output of a photo that is sent, with its type.
struct Representation: Sendable {
  let type: String
  let body: Data
  /// The name that the file has where `parse` writes it; nil for what it does not write.
  var filename: String?

  /// - Parameters:
  ///   - output: Which.
  ///   - result: What was made of the photo.
  ///   - name: The photo's name.
  /// - Throws: ``Problem`` where the photo has no such output.
  init(_ output: Output, of result: PhotoResult, name: String) throws(Problem) {
    let stem = Self.stem(name)
    func file(_ file: PhotoResult.File?, _ missing: String) throws(Problem) -> Representation {
      guard let file else { throw Problem(404, "class-not-present", missing) }
      return Representation(
        type: Self.type(file.kind), body: file.bytes,
        filename: stem + String(decoding: file.suffix, as: UTF8.self))
    }
    switch output {
    case .map: self = try file(result.file(.labelMap), "There is no map.")
    case .overlay: self = try file(result.overlay, "There is no overlay.")
    case .cutout:
      self = try file(
        result.file(.cutout), "There are only cutouts of persons: take them as a zip.")
    case .obscured: self = try file(result.obscured, "There is no obscured photo.")
    case .persons: self = try file(result.file(.personMap), "There is no map of persons.")
    case .mask(let name):
      let slug = result.sidecar.labels.flatMap { labels in
        ClassNames.index(of: name, in: labels.names).map { ClassNames.slug(labels.names[$0]) }
      }
      self = try file(
        slug.flatMap { result.file(.mask($0)) },
        "The photo shows nothing of class '\(name.prefix(40))'.")
    case .json:
      self.init(
        type: "application/json", body: try Self.json(result, name), filename: stem + ".m2fp.json")
    case .zip:
      var archive = ZipArchive()
      for file in try Self.files(result, name) {
        do throws(ZipArchive.TooLarge) {
          try archive.add(file.name, file.bytes)
        } catch {
          throw Problem(
            413, "image-too-large", "The outputs are more than a zip holds: take them as multipart."
          )
        }
      }
      self.init(type: "application/zip", body: archive.data, filename: stem + ".m2fp.zip")
    case .multipart:
      let boundary = "m2fp-" + UUID().uuidString
      // The JSON first: it says what the others are.
      let files = try Self.files(result, name)
      self.init(
        type: "multipart/mixed; boundary=\"\(boundary)\"",
        body: Multipart.body(files.suffix(1) + files.dropLast(), boundary: boundary))
    }
  }

  private init(type: String, body: Data, filename: String? = nil) {
    self.type = type
    self.body = body
    self.filename = filename
  }

  private static func stem(_ name: String) -> String {
    name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
  }

  private static func json(_ result: PhotoResult, _ name: String) throws(Problem) -> Data {
    do throws(FileFailure) {
      return try result.json(named: FilePath(name), stem: Array(stem(name).utf8))
    } catch {
      throw Problem(error)
    }
  }

  /// All that is written of a photo, the JSON last.
  private static func files(
    _ result: PhotoResult, _ name: String
  ) throws(Problem) -> [Multipart.File] {
    let stem = stem(name)
    return result.files.map {
      Multipart.File(
        name: stem + String(decoding: $0.suffix, as: UTF8.self), type: type($0.kind),
        bytes: $0.bytes)
    } + [
      Multipart.File(
        name: stem + ".m2fp.json", type: "application/json", bytes: try json(result, name))
    ]
  }

  private static func type(_ kind: OutputKind) -> String {
    switch kind {
    case .overlay(.jpeg), .obscured(.jpeg): "image/jpeg"
    default: "image/png"
    }
  }
}
