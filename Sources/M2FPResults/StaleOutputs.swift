import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO

/// What an earlier run with other options, another model or another result has left of one photo's
/// outputs.
package struct StaleOutputs {
  private let files: [String]
  /// Folders that may have become empty, the innermost first.
  private let folders: [String]

  /// Finds them.
  ///
  /// - Parameters:
  ///   - names: The photo's outputs.
  ///   - slugs: The classes that masks may be of, besides those that the sidecar names.
  ///   - kept: The outputs of this run.
  package init(_ names: OutputNames, slugs: [String], keeping kept: Set<String>) {
    var slugs = Set(slugs)
    for output in Sidecar.read(names.sidecar)?.outputs ?? [] {
      // A sidecar may have been edited: only what lies where masks lie is taken for one.
      let path = Paths.join(names.folder, output.path)
      let slug = Paths.lastComponent(path).replacing(".png", with: "")
      if path == names.mask(slug) || Paths.folder(path).hasPrefix(names.masks + "/person-") {
        slugs.insert(slug)
      }
    }
    var paths = slugs.map { names.mask($0) }
    paths += [names.persons, names.cutout]
    paths += ImageFormat.allCases.map { names.overlay($0) }
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: names.masks)) ?? []
    let persons = Set(entries.compactMap(Self.person))
    for id in persons {
      paths.append(names.cutout(person: id))
      paths += slugs.map { names.mask($0, person: id) }
    }
    files = paths.filter { !kept.contains($0) }
    folders = persons.map(names.personMasks) + [names.masks]
  }

  /// The id in `person-ID` or `person-ID.cutout.png`.
  private static func person(_ name: String) -> Int? {
    let name = name.replacing(".cutout.png", with: "")
    guard name.hasPrefix("person-"), let id = Int(name.dropFirst("person-".count)), id > 0,
      name == "person-\(id)"
    else { return nil }
    return id
  }

  package func remove() {
    for file in files { unlink(file) }
    // Fails, as it should, when anything is left in it.
    for folder in folders { rmdir(folder) }
  }
}
