import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// What becomes of the outputs of one photo: which are made, which stay as they are, and what the
/// sidecar says of them then.
///
/// What lies there and was not asked for stays as long as it shows this result: the same labels, of
/// the same photo where its pixels are shown, of the same persons where those are. There is one
/// overlay and one set of cutouts: to ask for others is to replace them.
package struct OutputChanges: Sendable {
  /// The outputs to make, in the order of ``ResultEncoder/kinds(of:)``.
  package let made: [OutputKind]
  /// The outputs that stay.
  package let kept: [Sidecar.Output]
  /// The options of all that is there afterwards.
  package let options: Sidecar.Options
  private let names: OutputNames
  private let slugs: [String]

  /// What is known of the result.
  package struct Shown {
    package let labels: Sidecar.Labels
    package let found: ResultSummary
    /// SHA-256 of the photo's file.
    package let input: String

    package init(labels: Sidecar.Labels, found: ResultSummary, input: String) {
      self.labels = labels
      self.found = found
      self.input = input
    }
  }

  /// - Parameters:
  ///   - names: The photo's outputs.
  ///   - wanted: The outputs that are asked for.
  ///   - request: Their options, and how the result was found.
  ///   - shown: The result.
  ///   - previous: The sidecar of what lies there; nil if nothing does.
  ///   - remakesAll: Whether also those are made that are there as they are asked for.
  package init(
    _ names: OutputNames, wanted: [OutputKind], request: Sidecar.Options, shown: Shown,
    previous: Sidecar?, remakesAll: Bool
  ) {
    self.names = names
    slugs = shown.labels.names.map(ClassNames.slug)
    var kept: [(kind: OutputKind, output: Sidecar.Output)] = []
    var made = wanted
    if let previous {
      let state = Validity(previous, request: request, shown: shown)
      for output in previous.outputs {
        guard let kind = names.kind(of: output.path), state.shows(kind),
          FileStamp(path: names.folder.appending(output.path.components))?.size == output.size
        else { continue }
        if wanted.contains(kind) {
          if remakesAll || !state.looksAsWanted(kind) { continue }
          made.removeAll { $0 == kind }
        } else if state.isReplaced(kind) {
          continue
        }
        kept.append((kind, output))
      }
    }
    if shown.labels.edited != nil {
      // A person's work, whatever its size.
      made.removeAll { $0 == .labelMap }
      kept.removeAll { $0.kind == .labelMap }
      kept.append(
        (
          .labelMap,
          Sidecar.Output(path: names.map, size: FileStamp(path: names.mapPath)?.size ?? 0)
        ))
    }
    self.made = made
    self.kept = kept.map(\.output)
    options = Self.options(
      request, previous: previous, found: shown.found, slugs: slugs,
      there: Set(made).union(kept.map(\.kind)))
  }

  /// What the sidecar of before can still say while the others are replaced: the outputs that stay.
  package func meanwhile(_ previous: Sidecar) -> Sidecar {
    previous.with(
      options: Self.options(
        previous.options.withoutOutputs, previous: previous, found: previous.found, slugs: slugs,
        there: Set(kept.compactMap { names.kind(of: $0.path) })), outputs: kept)
  }

  /// The outputs that the sidecar lists, in the order of ``ResultEncoder/kinds(of:)``.
  ///
  /// - Parameter sizes: Bytes, of those that are made.
  /// - Returns: One for each file.
  package func outputs(sizes: [OutputKind: Int]) -> [Sidecar.Output] {
    let new = made.map { Sidecar.Output(path: names.path(of: $0), size: sizes[$0] ?? 0) }
    return (kept + new).map { ($0, rank(names.kind(of: $0.path))) }
      .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
  }

  private func rank(_ kind: OutputKind?) -> [Int] {
    func index(_ slug: String) -> Int { slugs.firstIndex(of: slug) ?? slugs.count }
    return switch kind {
    case .labelMap: [0]
    case .mask(let slug): [1, index(slug)]
    case .personMap: [2]
    case .personMask(let slug, let person): [3, person, index(slug)]
    case .overlay: [4]
    case .cutout: [5]
    case .personCutout(let person): [6, person]
    case .obscured: [7]
    case nil: [8]
    }
  }

  // MARK: - What stays

  /// What an earlier output still is.
  private struct Validity {
    private let sameLabels: Bool
    private let samePersons: Bool
    private let samePhoto: Bool
    private let showedPersons: Bool
    private let request: Sidecar.Options
    private let previous: Sidecar.Options

    init(_ previous: Sidecar, request: Sidecar.Options, shown: Shown) {
      sameLabels =
        previous.labels?.shown == shown.labels.shown && previous.labels?.names == shown.labels.names
      // Whose pixels are whose: in other classes they are of the same persons.
      samePersons = previous.persons?.map(\.rle) == shown.found.persons?.map(\.rle)
      samePhoto = previous.input.sha256 == shown.input
      self.request = request
      self.previous = previous.options
      showedPersons = previous.options.overlayLook?.persons ?? false
    }

    /// Whether an output shows the result.
    func shows(_ kind: OutputKind) -> Bool {
      switch kind {
      case .labelMap, .mask: sameLabels
      // Two maps of nobody may be of two sizes.
      case .personMap: samePersons && (samePhoto || sameLabels)
      case .personMask: sameLabels && samePersons
      case .overlay: sameLabels && samePhoto && (samePersons || !showedPersons)
      case .cutout: sameLabels && samePhoto
      case .personCutout, .obscured: sameLabels && samePhoto && samePersons
      }
    }

    func looksAsWanted(_ kind: OutputKind) -> Bool {
      switch kind {
      case .labelMap: previous.palette == request.palette
      case .mask, .personMask: previous.maskOperations == request.maskOperations
      case .personMap: true
      case .overlay: previous.overlayLook == request.overlayLook
      case .cutout, .personCutout: previous.cutout == request.cutout
      case .obscured: previous.obscured == request.obscured
      }
    }

    /// Whether others of its kind are asked for.
    func isReplaced(_ kind: OutputKind) -> Bool {
      switch kind {
      case .overlay: request.overlay != nil
      case .cutout, .personCutout: request.cutout != nil
      case .obscured: request.obscured != nil
      case .mask, .personMask:
        request.hasMasks && previous.maskOperations != request.maskOperations
      default: false
      }
    }
  }

  /// The options of the outputs that are there: an option stands only for what is there whole, so
  /// that what is missing is made when it is asked for.
  private static func options(
    _ request: Sidecar.Options, previous: Sidecar?, found: ResultSummary, slugs: [String],
    there: Set<OutputKind>
  ) -> Sidecar.Options {
    guard let previous else { return request }
    let persons = found.persons ?? []
    func all(_ kinds: [OutputKind]) -> Bool { there.isSuperset(of: kinds) }
    let masks = slugs.enumerated().filter { index, slug in
      request.masks.contains(slug)
        || previous.options.masks.contains(slug)
          && all(found.classes.contains { $0.index == index } ? [.mask(slug)] : [])
    }.map(\.element)
    let personMasks = slugs.enumerated().filter { index, slug in
      request.persons?.masks.contains(slug) ?? false
        || previous.options.persons?.masks.contains(slug) ?? false
          && all(
            persons.filter { $0.parts.contains { $0.index == index } }
              .map { .personMask(slug, person: $0.id) })
    }.map(\.element)
    let hasMap = there.contains(.personMap)
    var overlay = request.overlay
    if overlay == nil, let old = previous.options.overlay, let look = previous.options.overlayLook,
      all([.overlay(old.format)])
    {
      overlay = Sidecar.Options.Overlay(
        format: old.format, opacity: old.opacity, outlines: old.outlines, names: old.names,
        palette: look.palette == request.palette ? nil : look.palette,
        persons: (old.outlines || old.names) && look.persons != hasMap ? look.persons : nil)
    }
    var cutout = request.cutout
    if cutout == nil, let old = previous.options.cutout,
      all(
        (old.classes != nil || !old.perPerson ? [.cutout] : [])
          + (old.perPerson ? persons.map { .personCutout($0.id) } : []))
    {
      cutout = old
    }
    var obscured = request.obscured
    if obscured == nil, let old = previous.options.obscured, all([.obscured(old.format)]) {
      obscured = old
    }
    var options = request
    options.masks = masks
    options.maskOperations =
      request.hasMasks ? request.maskOperations : previous.options.maskOperations
    options.overlay = overlay
    options.persons = request.persons?.with(map: hasMap, masks: personMasks)
    options.cutout = cutout
    options.obscured = obscured
    return options
  }
}
