import SystemPackage

/// Asks a file system what it takes for one name: those that differ in case alone, or in how a letter
/// with an accent is put together, on the disks of cameras and other systems.
package enum NameProbe {
  /// Whether a file of one name bears the other, too.
  ///
  /// - Parameters:
  ///   - one: A name.
  ///   - other: Another.
  ///   - folder: Where the files would lie; if it is not there, the first above it that is.
  ///   - rule: Which links on the way to it are followed.
  /// - Returns: False as well where nothing can be written.
  package static func isOneName(
    _ one: [UInt8], _ other: [UInt8], in folder: FilePath, following rule: LinkRule
  ) -> Bool {
    var path = folder
    while FileStamp(path: path) == nil, path.folder != path { path = path.folder }
    let random = String(UInt64.random(in: .min ... .max), radix: 36)
    // Told for a leftover if this process is killed right here.
    guard let folder = try? OpenFolder(path, following: rule),
      let name = name(random, one), let alias = self.name(random, other),
      let file = try? folder.create(name, mode: 0o600)
    else { return false }
    defer {
      folder.remove(name)
      try? file.close()
    }
    return folder.status(of: alias) != nil
  }

  private static func name(_ random: String, _ stem: [UInt8]) -> FilePath.Component? {
    FilePath(bytes: Array(".m2fp-\(random)-".utf8) + stem + Array(".tmp".utf8))?.lastComponent
  }
}
