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

  /// Writes a file, and the folders above it.
  @discardableResult
  package func write(_ name: String, _ contents: some Sequence<UInt8>) throws -> String {
    let file = path + "/" + name
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(contents).write(to: URL(fileURLWithPath: file))
    return file
  }

  package func link(_ name: String, to destination: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + "/" + name, withDestinationPath: destination)
  }

  /// The relative paths and contents of all files, symbolic links not followed.
  package func tree() throws -> [String: Data] {
    var tree: [String: Data] = [:]
    for name in FileManager.default.enumerator(atPath: path) ?? .init() {
      guard let name = name as? String else { continue }
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: path + "/" + name, isDirectory: &isFolder)
      if isFolder.boolValue { continue }
      tree[name] = FileManager.default.contents(atPath: path + "/" + name) ?? Data()
    }
    return tree
  }
}
