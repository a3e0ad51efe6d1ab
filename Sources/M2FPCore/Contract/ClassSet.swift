import FoundationEssentials

/// Classes of a data set, and their colours.
public struct ClassSet: Sendable, Equatable {
  /// The background first.
  public let names: [String]
  /// One colour for each of them.
  public let palette: [RGB]

  /// The form of its file, which may also say how other classes become these (``ClassRemap``).
  struct File: Decodable {
    let classes: [String]
    let palette: [RGB]?
    let map: Maps?

    /// - Throws: ``ClassRemapError`` with what is wrong.
    init(json: Data) throws(ClassRemapError) {
      do {
        self = try JSONDecoder().decode(File.self, from: json)
      } catch {
        throw ClassRemapError(Self.explain(error))
      }
    }

    private static func explain(_ error: any Error) -> String {
      switch error {
      case DecodingError.keyNotFound(let key, _): return "it has no \"\(key.stringValue)\""
      case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
        let path = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }
        return "\(path.joined(separator: ".")) is not of the kind that is wanted"
      default: return "it is not JSON"
      }
    }
  }

  /// From a model's class to one of the set, as ``ClassNames/index(of:in:)`` reads both: one map, or a
  /// list of them.
  struct Maps: Decodable {
    let all: [[String: String]]

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let several = try? value.decode([[String: String]].self) {
        all = several
      } else {
        all = [try value.decode([String: String].self)]
      }
    }
  }

  /// Reads the file of a set.
  ///
  /// - Parameter json: `{"classes": […], "palette": [[r, g, b], …]}`, and what else a remap has; without
  ///   a palette the colours are VOC's.
  /// - Throws: ``ClassRemapError`` with what is wrong.
  public init(json: Data) throws(ClassRemapError) {
    try self.init(File(json: json))
  }

  init(_ file: File) throws(ClassRemapError) {
    let count = file.classes.count
    guard (2...255).contains(count) else {
      throw ClassRemapError("it has \(count) classes; 2 to 255 can be had")
    }
    let slugs = Set(file.classes.map(ClassNames.slug))
    guard slugs.count == count, !slugs.contains("") else {
      throw ClassRemapError("two of its classes would share a file name")
    }
    let palette = file.palette ?? Palette.voc.colours
    guard palette.count >= count else {
      throw ClassRemapError("it has \(palette.count) colours for \(count) classes")
    }
    names = file.classes
    self.palette = Array(palette.prefix(count))
  }
}
