import M2FPCore

/// How the outputs that are asked for stand to those that a sidecar tells of.
package enum OptionCoverage: Sendable, Equatable {
  /// They are the same.
  case all
  /// They are among them.
  case some
  /// The labels are the same and some outputs are not: the options that differ.
  case render([String])
  /// What is found may be something else: the options that differ.
  case network([String])
}

extension Sidecar.Options {
  /// Whether an output that is asked for shows which pixels are whose.
  package var needsPersons: Bool {
    persons.map { $0.map || !$0.masks.isEmpty } ?? false || cutout?.perPerson ?? false
  }

  /// Compares these options, which are asked for, with recorded ones.
  ///
  /// - Parameters:
  ///   - recorded: What a sidecar says.
  ///   - ofAnyNetwork: Whether it does not matter how the labels were found.
  /// - Returns: Differences by the sidecar's keys, in a fixed order.
  package func coverage(
    by recorded: Sidecar.Options, ofAnyNetwork: Bool = false
  ) -> OptionCoverage {
    if self == recorded { return .all }
    let network = ofAnyNetwork ? [] : networkDifferences(from: recorded)
    if !network.isEmpty { return .network(network) }
    let differences: [(String, Bool)] = [
      ("remap", remap != recorded.remap),
      ("palette", palette != recorded.palette),
      ("masks", !recorded.covers(masks: masks)),
      ("mask_operations", hasMasks && maskOperations != recorded.maskOperations),
      ("persons.map", persons?.map ?? false && !(recorded.persons?.map ?? false)),
      ("persons.masks", !Set(recorded.persons?.masks ?? []).isSuperset(of: persons?.masks ?? [])),
      ("overlay", overlay != nil && overlayLook != recorded.overlayLook),
      ("cutout", cutout != nil && cutout != recorded.cutout),
      ("obscured", obscured != nil && obscured != recorded.obscured),
    ]
    let names = differences.filter(\.1).map(\.0)
    return names.isEmpty ? .some : .render(names)
  }

  /// The options that decide what is found.
  private func networkDifferences(from recorded: Sidecar.Options) -> [String] {
    var differences: [(String, Bool)] = [
      ("max_side", maxSide != recorded.maxSide), ("precision", precision != recorded.precision),
      ("quality", quality != recorded.quality),
    ]
    if needsPersons {
      let (wanted, had) = (persons, recorded.persons)
      differences += [
        ("persons", had == nil),
        ("persons.min_score", had != nil && wanted?.minScore != had?.minScore),
        (
          "persons.min_size",
          had != nil && (wanted?.minPixels != had?.minPixels || wanted?.minShare != had?.minShare)
        ),
        ("persons.max_overlap", had != nil && wanted?.maxOverlap != had?.maxOverlap),
      ]
    }
    return differences.filter(\.1).map(\.0)
  }

  /// Whether masks of classes are asked for.
  var hasMasks: Bool { !masks.isEmpty || !(persons?.masks ?? []).isEmpty }

  private func covers(masks wanted: [String]) -> Bool { Set(masks).isSuperset(of: wanted) }

  /// All that an overlay's pixels depend on besides photo, labels and persons.
  package struct OverlayLook: Equatable {
    let overlay: Overlay
    let palette: [String]
    let persons: Bool
  }

  package var overlayLook: OverlayLook? {
    overlay.map { overlay in
      OverlayLook(
        overlay: Overlay(
          format: overlay.format, opacity: overlay.opacity, outlines: overlay.outlines,
          names: overlay.names),
        palette: overlay.palette ?? palette,
        persons: (overlay.outlines || overlay.names)
          && (overlay.persons ?? persons?.map ?? false))
    }
  }

  /// These options, for the class map alone.
  var withoutOutputs: Sidecar.Options {
    var options = self
    options.masks = []
    options.maskOperations = nil
    options.overlay = nil
    options.persons = persons?.with(map: false, masks: [])
    options.cutout = nil
    options.obscured = nil
    return options
  }

  /// These options, with those that decide what is found as they are recorded.
  package func keepingNetwork(of recorded: Sidecar.Options) -> Sidecar.Options {
    var options = self
    options.maxSide = recorded.maxSide
    options.precision = recorded.precision
    options.quality = recorded.quality
    options.persons = recorded.persons?.with(
      map: persons?.map ?? false, masks: persons?.masks ?? [])
    return options
  }
}
