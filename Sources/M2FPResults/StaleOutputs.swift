import Foundation
import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// What an earlier run with other options, another model or another result has left of one photo's
/// outputs.
///
/// A sidecar may have been forged: names are made here of classes and numbers, never read from it,
/// and removed from where outputs lie, no link followed.
package struct StaleOutputs {
  private let folder: OpenFolder
  private let files: [FilePath]
  /// Folders that may have become empty, the innermost first.
  private let folders: [FilePath]

  /// Finds them.
  ///
  /// - Parameters:
  ///   - names: The photo's outputs.
  ///   - folder: The folder that they lie in.
  ///   - slugs: The classes that masks may be of, besides those that the sidecar names.
  ///   - kept: The outputs of this run.
  package init(
    _ names: OutputNames, in folder: OpenFolder, slugs: [String], keeping kept: Set<FilePath>
  ) {
    self.folder = folder
    var slugs = Set(slugs)
    for output in Sidecar.read(names.sidecarPath)?.outputs ?? [] {
      guard let slug = output.path.stem, output.path.extension == "png" else { continue }
      // Only what lies where masks lie is taken for one.
      let isMask =
        output.path == names.mask(slug)
        || output.path.removingLastComponent().removingLastComponent() == names.masks
      if isMask { slugs.insert(slug) }
    }
    var paths = slugs.map { names.mask($0) }
    paths += [names.persons, names.cutout]
    paths += ImageFormat.allCases.map { names.overlay($0) }
    let entries = (try? folder.folder(at: names.masks, making: false))?.names() ?? []
    let persons = Set(entries.compactMap(Self.person))
    for id in persons {
      paths.append(names.cutout(person: id))
      paths += slugs.map { names.mask($0, person: id) }
    }
    files = paths.filter { !kept.contains($0) }
    folders = persons.map(names.personMasks) + [names.masks]
  }

  /// The id in `person-ID` or `person-ID.cutout.png`.
  private static func person(_ name: FilePath.Component) -> Int? {
    let name = name.string.replacing(".cutout.png", with: "")
    guard name.hasPrefix("person-"), let id = Int(name.dropFirst("person-".count)), id > 0,
      name == "person-\(id)"
    else { return nil }
    return id
  }

  package func remove() {
    for file in files { parent(of: file) { $0.remove($1) } }
    // Fails, as it should, when anything is left in it.
    for folder in folders { parent(of: folder) { $0.removeEmptyFolder($1) } }
  }

  private func parent(of path: FilePath, _ body: (OpenFolder, FilePath.Component) -> Bool) {
    guard let name = path.lastComponent,
      let parent = try? folder.folder(at: path.removingLastComponent(), making: false)
    else { return }
    _ = body(parent, name)
  }
}
