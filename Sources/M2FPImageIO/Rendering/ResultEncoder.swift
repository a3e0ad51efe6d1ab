import M2FPCore

/// Makes the pictures of a result. It needs no network: what was found is enough.
public struct ResultEncoder: Sendable {
  public let selection: OutputSelection
  /// The names of the classes of the results.
  public let classes: [String]

  /// - Parameters:
  ///   - selection: Which pictures, and how they look.
  ///   - classes: The names of the classes of the results, the background first.
  public init(_ selection: OutputSelection, classes: [String]) {
    self.selection = selection
    self.classes = classes
  }

  /// Makes pictures.
  ///
  /// - Parameters:
  ///   - kinds: Which; nil for all that are selected.
  ///   - result: What was found.
  ///   - photo: The photo, where one of them needs it.
  /// - Returns: The pictures, in the order of their kinds.
  /// - Throws: ``FileFailure`` of stage ``Stage/encode``.
  public func encode(
    _ kinds: [OutputKind]? = nil, of result: ParsingResult, photo: RGBImage?
  ) throws(FileFailure) -> [EncodedOutput] {
    var outputs: [EncodedOutput] = []
    for kind in kinds ?? self.kinds(of: result) {
      outputs.append(try encode(kind, of: result, photo: photo))
    }
    return outputs
  }

  /// The pictures of a result that are selected, the label map first.
  public func kinds(of result: ParsingResult) -> [OutputKind] {
    var kinds: [OutputKind] = [.labelMap]
    for index in selection.masks.sorted() where result.classPixelCounts[index] > 0 {
      kinds.append(.mask(slug(index)))
    }
    if let persons = result.persons {
      if selection.personMap { kinds.append(.personMap) }
      for (index, person) in persons.list.enumerated() {
        for part in person.parts where selection.personMasks.contains(part.classIndex) {
          kinds.append(.personMask(slug(part.classIndex), person: index + 1))
        }
      }
    }
    if let overlay = selection.overlay { kinds.append(.overlay(overlay.format)) }
    if let cutout = selection.cutout {
      if let persons = result.persons, cutout.perPerson {
        if cutout.classes != nil { kinds.append(.cutout) }
        kinds += persons.list.indices.map { .personCutout($0 + 1) }
      } else {
        kinds.append(.cutout)
      }
    }
    if let obscured = selection.obscured { kinds.append(.obscured(obscured.format)) }
    return kinds
  }

  /// Makes one picture.
  ///
  /// - Parameters:
  ///   - kind: Which; it need not be selected.
  ///   - result: What was found.
  ///   - photo: The photo, for overlays and cutouts.
  /// - Returns: The picture, with its kind.
  /// - Throws: ``FileFailure`` of stage ``Stage/encode``, with code ``FileFailure/Code/missing`` for a
  ///   class or person that is not there, or a photo that is not given.
  public func encode(
    _ kind: OutputKind, of result: ParsingResult, photo: RGBImage?
  ) throws(FileFailure) -> EncodedOutput {
    EncodedOutput(kind: kind, file: try file(kind, result, photo))
  }

  private func file(
    _ kind: OutputKind, _ result: ParsingResult, _ photo: RGBImage?
  ) throws(FileFailure) -> EncodedImage {
    switch kind {
    case .labelMap:
      return try PNGEncoder.labelMap(result.labels, palette: selection.palette)
    case .mask(let slug):
      // The map serves as it is where nothing is done to masks: there are many of them.
      if selection.maskOperations == MaskOperations() {
        return try PNGEncoder.mask(of: label(slug), in: result.labels)
      }
      return try mask(BitMask(of: label(slug), in: result.labels))
    case .personMap:
      let persons = try persons(result)
      return try PNGEncoder.labelMap(
        persons.map, palette: Array(Palette.persons.colours.prefix(persons.list.count + 1)))
    case .personMask(let slug, let person):
      return try mask(
        BitMask(
          labels: result.labels, classes: [Int(label(slug))],
          person: (id(person, result), persons(result).map)))
    case .overlay(let format):
      var style = selection.overlay ?? OverlayStyle()
      style.format = format
      return try style.encode(
        self.photo(photo), labels: result.labels,
        persons: selection.personMap ? result.persons?.map : nil, names: classes,
        palette: selection.palette)
    case .cutout:
      return try cutout(
        BitMask(labels: result.labels, classes: selection.cutout?.classes), photo)
    case .personCutout(let person):
      return try cutout(
        BitMask(
          labels: result.labels, classes: selection.cutout?.classes,
          person: (id(person, result), persons(result).map)), photo)
    case .obscured(let format):
      guard let obscuring = selection.obscured?.obscuring else {
        throw Self.missing("nothing is to be made unrecognisable")
      }
      return try format.encode(
        obscuring(self.photo(photo), labels: result.labels, persons: result.persons?.map))
    }
  }

  private func mask(_ mask: BitMask) throws(FileFailure) -> EncodedImage {
    try PNGEncoder.mask(selection.maskOperations(mask))
  }

  private func cutout(_ mask: BitMask, _ photo: RGBImage?) throws(FileFailure) -> EncodedImage {
    let style = selection.cutout?.style ?? CutoutStyle()
    switch style.cut(mask, from: try self.photo(photo)) {
    case .transparent(let image): return try PNGEncoder.rgba(image)
    case .opaque(let image): return try PNGEncoder.rgb(image)
    }
  }

  private func photo(_ photo: RGBImage?) throws(FileFailure) -> RGBImage {
    if let photo { return photo }
    throw Self.missing("the photo's own pixels were not kept")
  }

  private func persons(_ result: ParsingResult) throws(FileFailure) -> Persons {
    if let persons = result.persons { return persons }
    throw Self.missing("persons were not told apart")
  }

  private func id(_ person: Int, _ result: ParsingResult) throws(FileFailure) -> UInt8 {
    let count = try persons(result).list.count
    guard (1...max(1, count)).contains(person), count > 0 else {
      throw Self.missing("there is no person \(person)")
    }
    return UInt8(person)
  }

  private func label(_ slug: String) throws(FileFailure) -> UInt8 {
    if let index = classes.firstIndex(where: { ClassNames.slug($0) == slug }) {
      return UInt8(index)
    }
    throw Self.missing("there is no class '\(slug)'")
  }

  private static func missing(_ message: String) -> FileFailure {
    FileFailure(stage: .encode, code: .missing, message: message)
  }

  private func slug(_ index: Int) -> String { ClassNames.slug(classes[index]) }
}
