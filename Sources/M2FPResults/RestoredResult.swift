import M2FPCore
import M2FPFiles
import M2FPImageIO

/// What a run found in a photo, put together again from its sidecar and its class map: all that
/// outputs can be rendered from, with no network.
package struct RestoredResult: Sendable {
  package let sidecar: Sidecar
  /// In the classes that are asked for, with the corrections that a person has made.
  package let result: ParsingResult
  /// What the sidecar is to say of the labels.
  package let labels: Sidecar.Labels
  /// What the sidecar is to say of what was found before.
  package let raw: Sidecar.Raw?

  /// Whether a person has corrected the class map.
  package var isEdited: Bool { labels.edited != nil }

  /// Into which classes a result is put.
  package enum Classes: Sendable {
    /// Those that it is in.
    case asTheyAre
    /// The model's own, or those of a remap.
    case remapped(ClassRemap?)
  }

  /// - Parameters:
  ///   - names: The photo's outputs.
  ///   - classes: The classes that are asked for.
  ///   - limits: How large the class map may be.
  /// - Throws: ``FileFailure`` of stage `read`: the files are not those of one result, or of version
  ///   2; with code ``FileFailure/Code/edited``, the map was corrected in other classes.
  package init(
    _ names: OutputNames, in classes: Classes, limits: ImageLimits = .most
  ) throws(FileFailure) {
    let sidecar = try Sidecar.existing(names)
    guard let known = sidecar.labels, sidecar.persons != nil else {
      throw Self.failure("\(names.sidecarPath) does not hold all that outputs need")
    }
    let (width, height) = (sidecar.input.width, sidecar.input.height)
    let map = try ClassMap.read(
      names.mapPath, following: names.rule, width: width, height: height, limits: limits)
    let digest = map.digest
    let isEdited = digest != known.sha256
    let recorded = sidecar.options.remap
    let remap: ClassRemap? =
      switch classes {
      case .asTheyAre:
        recorded.map {
          ClassRemap(classes: $0.classes, palette: [], table: $0.table.map(UInt8.init(clamping:)))
        }
      case .remapped(let remap): remap
      }
    if isEdited, recorded != remap.map(Sidecar.Options.Remap.init) {
      throw FileFailure(
        stage: .read, code: .edited,
        message: "\(names.mapPath) was corrected by hand, in other classes than are asked for")
    }
    let base =
      sidecar.raw ?? Sidecar.Raw(names: known.names, found: sidecar.found, masks: nil)
    var labels = map
    if recorded != nil {
      let shares = base.found.classes.filter { $0.index > 0 }
      guard let masks = base.masks, masks.count == shares.count,
        let own = LabelMap(
          width: width, height: height,
          masks: zip(masks, shares).map { ($0, UInt8(clamping: $1.index)) })
      else { throw Self.failure("\(names.sidecarPath) contradicts itself") }
      labels = own
    }
    guard remap?.table.count ?? base.names.count == base.names.count,
      var result = ParsingResult(base.found, labels: labels, classes: base.names.count)
    else {
      throw Self.failure(
        isEdited
          ? "\(names.mapPath) holds values that stand for no class (\(known.names.count) classes)"
          : "\(names.sidecarPath) and \(names.mapPath) contradict each other")
    }
    if let remap { result = result.remapped(by: remap) }
    let shownNames = remap?.classes ?? base.names
    if isEdited {
      guard map.pixels.allSatisfy({ $0 < shownNames.count }) else {
        throw Self.failure(
          "\(names.mapPath) holds values that stand for no class (\(shownNames.count) classes)")
      }
      let rules = sidecar.options.persons
      let least =
        rules?.minPixels.map(PersonRules.Size.pixels) ?? .share(rules?.minShare ?? 0)
      result = result.corrected(by: map, leastPixels: least.pixels(of: width * height))
    }
    self.sidecar = sidecar
    self.result = result
    self.labels =
      isEdited
      ? Sidecar.Labels(names: shownNames, sha256: known.sha256, edited: digest)
      : Sidecar.Labels(
        names: shownNames, sha256: remap == nil && recorded == nil ? digest : result.labels.digest)
    if remap != nil {
      raw = Sidecar.Raw(
        names: base.names, found: base.found,
        masks: base.masks ?? Sidecar.Raw.masks(of: labels, found: base.found))
    } else {
      raw = isEdited ? Sidecar.Raw(names: base.names, found: base.found, masks: nil) : nil
    }
  }

  private static func failure(_ message: String) -> FileFailure {
    FileFailure(stage: .read, code: .corrupt, message: message)
  }
}

extension Sidecar.Raw {
  /// What is recorded of a result before it was put into other classes.
  package init(_ result: ParsingResult, names: [String]) {
    let found = ResultSummary(result, classes: names, masks: true)
    self.init(names: names, found: found, masks: Self.masks(of: result.labels, found: found))
  }

  /// The masks of all classes that were found but the background.
  fileprivate static func masks(of labels: LabelMap, found: ResultSummary) -> [String] {
    let shown = Int(labels.pixels.max() ?? 0)
    let highest = max(shown, found.classes.map(\.index).max() ?? 0)
    let masks = RunLength.masks(of: labels, count: highest)
    return found.classes.filter { $0.index > 0 }.map {
      masks[$0.index - 1].compressed(pixels: labels.pixels.count)
    }
  }
}

extension Sidecar.Options.Remap {
  package init(_ remap: ClassRemap) {
    self.init(classes: remap.classes, table: remap.table.map(Int.init))
  }
}
