import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Finds the results that earlier runs have left, by their sidecars, and the photos that they are of.
public struct ResultDiscovery {
  private static let sidecarSuffix = ".m2fp.json"

  private let photos: FilePath?
  private var found: [PlannedFile] = []

  /// Lists the results under `paths`, folders sorted by name; links to folders are not followed.
  ///
  /// - Parameters:
  ///   - paths: Folders; photos, class maps or sidecars.
  ///   - photos: The folder that holds the photos, in the tree of the results; nil where each lies
  ///     beside its results.
  /// - Returns: The photos with their results; with a failure what cannot be one.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput`` where there are none.
  public static func files(
    under paths: [FilePath], photos: FilePath?
  ) throws(RunFailure) -> [PlannedFile] {
    var discovery = ResultDiscovery(photos: photos)
    for path in paths { discovery.add(path) }
    if discovery.found.allSatisfy({ $0.input.failure?.code == .missing }) {
      let places = paths.map { "'\($0)'" }.joined(separator: ", ")
      throw RunFailure(.noInput, "no results of m2fp found in \(places)", detail: .noResults)
    }
    return discovery.found
  }

  private init(photos: FilePath?) {
    self.photos = photos
  }

  private mutating func add(_ path: FilePath) {
    switch FileKind(path) {
    case .folder:
      do throws(Errno) {
        walk(try OpenFolder(path), relative: "", root: path)
      } catch {
        fail(path, .unreadable, "the folder cannot be listed: \(error.reason)")
      }
    default:
      let (folder, name) = (path.folder, path.name)
      let stems = [Self.sidecarSuffix, ".m2fp.png"].filter(name.ends).map {
        name.dropLast($0.utf8.count)
      }
      let dot = name.lastIndex(of: UInt8(ascii: ".")) ?? name.endIndex
      for stem in stems + [name[...], name[..<dot]] where !stem.isEmpty {
        let names = OutputNames(
          folder: folder, stem: Array(stem), rule: LinkRule(below: folder, .own))
        guard FileStamp(path: names.sidecarPath) != nil else { continue }
        return add(names, relative: "", root: folder)
      }
      fail(path, .missing, "there is no result of it", detail: .notParsed)
    }
  }

  private mutating func walk(_ folder: OpenFolder, relative: FilePath, root: FilePath) {
    let names: [FilePath.Component]
    do throws(Errno) {
      names = try folder.allNames().filter { $0.bytes.first != UInt8(ascii: ".") }
    } catch {
      fail(folder.path, .unreadable, "the folder cannot be listed: \(error.reason)")
      return
    }
    for name in names.sorted(by: { $0.bytes.lexicographicallyPrecedes($1.bytes) }) {
      let bytes = name.bytes
      if bytes.ends(with: Self.sidecarSuffix), bytes.count > Self.sidecarSuffix.utf8.count {
        add(
          OutputNames(
            folder: folder.path, stem: bytes.dropLast(Self.sidecarSuffix.utf8.count),
            rule: LinkRule(below: root, .own)), relative: relative, root: root)
      } else if let status = folder.status(of: name), status.st_mode & S_IFMT == S_IFDIR {
        do throws(Errno) {
          let below = try folder.folder(named: name, making: false)
          walk(below, relative: relative.appending(name), root: root)
        } catch {
          let path = folder.path.appending(name)
          fail(path, .unreadable, "the folder cannot be listed: \(error.reason)")
        }
      }
    }
  }

  private mutating func add(_ names: OutputNames, relative: FilePath, root: FilePath) {
    let name: FilePath
    do throws(FileFailure) {
      name = try Sidecar.existing(names).input.name
    } catch {
      fail(names.sidecarPath, error.code, error.message)
      return
    }
    guard name.components.count == 1, let last = name.lastComponent, last.kind == .regular else {
      fail(names.sidecarPath, .corrupt, "the sidecar is of no photo")
      return
    }
    let folder = photos.map { $0.appending(relative.components) } ?? names.folder
    found.append(
      PlannedFile(
        input: Input(
          path: folder.appending(last), relativePath: relative.appending(last),
          root: photos ?? root),
        outputs: names))
  }

  private mutating func fail(
    _ path: FilePath, _ code: FileFailure.Code, _ message: String,
    detail: FileFailure.Detail? = nil
  ) {
    found.append(
      PlannedFile(
        input: Input(
          path: path, relativePath: path.fileName,
          failure: FileFailure(stage: .read, code: code, message: message, detail: detail)),
        outputs: OutputNames(folder: path.folder, stem: path.name)))
  }
}
