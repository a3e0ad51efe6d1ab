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
  ///   - previous: The sidecar that lies beside them, if there is one.
  ///   - slugs: The classes that masks may be of, besides those that the sidecar names.
  ///   - kept: The outputs that are to be there afterwards.
  package init(
    _ names: OutputNames, in folder: OpenFolder, previous: Sidecar?, slugs: [String],
    keeping kept: Set<FilePath>
  ) {
    self.folder = folder
    var slugs = Set(slugs)
    for output in previous?.outputs ?? [] {
      switch names.kind(of: output.path) {
      case .mask(let slug), .personMask(let slug, _): slugs.insert(slug)
      default: break
      }
    }
    var paths = slugs.map { names.mask($0) }
    paths += [names.persons, names.cutout]
    paths += PictureFormat.allCases.flatMap { [names.overlay($0), names.obscured($0)] }
    let entries = (try? folder.folder(at: names.masks, making: false))?.names() ?? []
    let persons = Set(
      entries.compactMap {
        OutputNames.person($0.string) ?? OutputNames.person($0.string, suffix: ".cutout.png")
      })
    for id in persons {
      paths.append(names.cutout(person: id))
      paths += slugs.map { names.mask($0, person: id) }
    }
    files = paths.filter { !kept.contains($0) }
    folders = persons.map(names.personMasks) + [names.masks]
  }

  /// Removes them.
  ///
  /// - Returns: The paths of what was there, below the folder of the outputs.
  package func remove() -> [FilePath] {
    let removed = files.filter { file in parent(of: file) { $0.remove($1) } }
    // Fails, as it should, when anything is left in it.
    for folder in folders { _ = parent(of: folder) { $0.removeEmptyFolder($1) } }
    return removed
  }

  /// The paths of those that are there, below the folder of the outputs.
  package func existing() -> [FilePath] {
    files.filter { file in parent(of: file) { $0.status(of: $1) != nil } }
  }

  private func parent(of path: FilePath, _ body: (OpenFolder, FilePath.Component) -> Bool) -> Bool {
    guard let name = path.lastComponent,
      let parent = try? folder.folder(at: path.removingLastComponent(), making: false)
    else { return false }
    return body(parent, name)
  }
}
