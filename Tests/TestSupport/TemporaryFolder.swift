import Foundation
import SystemPackage

/// A folder that lives as long as its value.
package final class TemporaryFolder: Sendable {
  package let path: String

  package init() throws {
    path = NSTemporaryDirectory() + "m2fp-tests-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  /// The path as the product has it.
  package var filePath: FilePath { FilePath(path) }

  /// The path of what lies in the folder.
  package func filePath(_ name: String) -> FilePath { FilePath(path + "/" + name) }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of what has this name in the folder.
  package func path(_ name: String) -> String { path + "/" + name }

  package func url(_ name: String) -> URL { URL(fileURLWithPath: path(name)) }

  package func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// Writes a file, and the folders above it.
  ///
  /// - Returns: Its path.
  @discardableResult
  package func write(_ name: String, _ contents: some Sequence<UInt8>) throws -> String {
    let file = path(name)
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(contents).write(to: URL(fileURLWithPath: file))
    return file
  }

  package func read(_ name: String) throws -> Data { try Data(contentsOf: url(name)) }

  package func text(_ name: String) throws -> String {
    try String(contentsOf: url(name), encoding: .utf8)
  }

  package func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path(name))
  }

  package func link(_ name: String, to destination: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path(name), withDestinationPath: destination)
  }

  /// The relative paths and contents of all files below a folder in this one, symbolic links not
  /// followed.
  package func tree(_ name: String = ".") throws -> [String: Data] {
    var tree: [String: Data] = [:]
    for file in files(name) {
      tree[file] = FileManager.default.contents(atPath: path(name + "/" + file)) ?? Data()
    }
    return tree
  }

  /// The relative paths of all files, links and pipes below a folder in this one, in order.
  package func files(_ name: String = ".") -> [String] {
    guard let walk = FileManager.default.enumerator(atPath: path(name)) else { return [] }
    var files: [String] = []
    for case let file as String in walk
    where walk.fileAttributes?[.type] as? FileAttributeType != .typeDirectory {
      files.append(file)
    }
    return files.sorted()
  }
}
