import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// Encodes everything that is written for one photo, but for the sidecar.
struct OutputEncoder: Sendable {
  let options: BatchOptions
  /// The names of the classes of the results.
  let classes: [String]

  /// A file in memory, and where it goes.
  struct Encoded {
    let path: FilePath
    let image: EncodedImage
  }

  /// - Parameters:
  ///   - result: What was found.
  ///   - photo: The photo, where the options need it.
  ///   - names: Where outputs go.
  /// - Returns: The files, the colour map first.
  /// - Throws: ``FileFailure`` of stage ``Stage/encode``.
  func encode(
    _ result: ParsingResult, photo: RGBImage?, names: OutputNames
  ) throws(FileFailure) -> [Encoded] {
    var encoded = [
      Encoded(
        path: names.map, image: try PNGEncoder.labelMap(result.labels, palette: options.palette))
    ]
    for index in options.maskClasses.sorted() where result.classPixelCounts[index] > 0 {
      encoded.append(
        Encoded(
          path: names.mask(slug(index)),
          image: try PNGEncoder.mask(of: UInt8(index), in: result.labels)))
    }
    if let persons = result.persons {
      let colours = Palette.persons.colours.prefix(persons.list.count + 1)
      encoded.append(
        Encoded(
          path: names.persons,
          image: try PNGEncoder.labelMap(persons.map, palette: Array(colours))))
      encoded += try personMasks(persons, labels: result.labels, names: names)
    }
    if let style = options.overlay, let photo {
      encoded.append(
        Encoded(
          path: names.overlay(style.format),
          image: try style.encode(
            photo, labels: result.labels, persons: result.persons?.map, names: classes,
            palette: options.palette)))
    }
    if let cutout = options.cutout, let photo {
      encoded += try cutouts(cutout, result, photo: photo, names: names)
    }
    return encoded
  }

  private func personMasks(
    _ persons: Persons, labels: LabelMap, names: OutputNames
  ) throws(FileFailure) -> [Encoded] {
    var encoded: [Encoded] = []
    for (index, person) in persons.list.enumerated() {
      let parts = person.parts.map(\.classIndex).filter(options.personMaskClasses.contains)
      if parts.isEmpty { continue }
      let own = labels.within(persons.map, id: UInt8(index + 1))
      for part in parts {
        encoded.append(
          Encoded(
            path: names.mask(slug(part), person: index + 1),
            image: try PNGEncoder.mask(of: UInt8(part), in: own)))
      }
    }
    return encoded
  }

  private func cutouts(
    _ cutout: BatchOptions.Cutout, _ result: ParsingResult, photo: RGBImage, names: OutputNames
  ) throws(FileFailure) -> [Encoded] {
    guard cutout.perPerson, let persons = result.persons else {
      let image = photo.cutout(labels: result.labels, classes: cutout.classes)
      return [Encoded(path: names.cutout, image: try PNGEncoder.rgba(image))]
    }
    var encoded: [Encoded] = []
    for index in persons.list.indices {
      let image = photo.cutout(
        labels: result.labels, classes: cutout.classes,
        person: (UInt8(index + 1), persons.map))
      encoded.append(
        Encoded(path: names.cutout(person: index + 1), image: try PNGEncoder.rgba(image)))
    }
    return encoded
  }

  private func slug(_ index: Int) -> String { ClassNames.slug(classes[index]) }
}

extension LabelMap {
  /// The labels where another map of the same size has the value `id`, 0 elsewhere.
  fileprivate func within(_ map: LabelMap, id: UInt8) -> LabelMap {
    LabelMap(
      width: width, height: height,
      pixels: zip(pixels, map.pixels).map { label, value in value == id ? label : 0 })
  }
}
