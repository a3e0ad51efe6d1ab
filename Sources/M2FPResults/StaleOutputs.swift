import M2FPCore
import M2FPFiles
import M2FPImageIO
import SystemPackage

/// What an earlier run with other options, another model or another result has left of one photo's
/// outputs.
///
/// A sidecar may have been forged: what is removed bears names that are made here of classes and
/// numbers, and lies where outputs lie, no link followed.
package struct StaleOutputs {
  private struct File {
    let folder: OpenFolder
    let name: FilePath.Component
    /// Below the folder of the outputs.
    let path: FilePath
  }

  private var files: [File] = []
  /// Folders that may become empty, each with that which it lies in, the innermost first.
  private var folders: [(parent: OpenFolder, name: FilePath.Component)] = []

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
    var slugs = Set(slugs)
    for output in previous?.outputs ?? [] {
      switch names.kind(of: output.path) {
      case .mask(let slug), .personMask(let slug, _): slugs.insert(slug)
      default: break
      }
    }
    let ofClasses = Set(slugs.map { $0 + ".png" })
    func add(_ name: FilePath.Component, in folder: OpenFolder, _ path: FilePath) {
      if !kept.contains(path) { files.append(File(folder: folder, name: name, path: path)) }
    }

    // There may be 200,000 files beside them: these few are asked for one by one.
    let pictures = PictureFormat.allCases.flatMap { [names.overlay($0), names.obscured($0)] }
    for path in [names.persons, names.cutout] + pictures {
      if let name = path.lastComponent, folder.status(of: name) != nil {
        add(name, in: folder, path)
      }
    }
    guard let name = names.masks.lastComponent,
      let masks = try? folder.folder(named: name, making: false)
    else { return }
    for entry in masks.names() {
      let text = entry.string
      if let person = OutputNames.person(text) {
        guard let masksOfPerson = try? masks.folder(named: entry, making: false) else { continue }
        let path = names.personMasks(person)
        for name in masksOfPerson.names() where ofClasses.contains(name.string) {
          add(name, in: masksOfPerson, path.appending(name: name.bytes))
        }
        folders.append((masks, entry))
      } else if ofClasses.contains(text) || OutputNames.person(text, suffix: ".cutout.png") != nil {
        add(entry, in: masks, names.masks.appending(name: entry.bytes))
      }
    }
    folders.append((folder, name))
  }

  /// Removes them.
  ///
  /// - Returns: The paths of what was there, below the folder of the outputs.
  package func remove() -> [FilePath] {
    let removed = files.filter { $0.folder.remove($0.name) }
    // Fails, as it should, when anything is left in it.
    for (parent, name) in folders { parent.removeEmptyFolder(name) }
    return removed.map(\.path)
  }

  /// The paths of those that are there, below the folder of the outputs.
  package var existing: [FilePath] { files.map(\.path) }
}
