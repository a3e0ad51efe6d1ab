import Foundation
import SystemPackage

/// A folder of this process's own for a target's files, which goes with it.
let scratch: FilePath = {
  let path = FilePath(NSTemporaryDirectory()).appending("m2fp-fuzz-\(getpid())")
  precondition(path.withPlatformString { mkdir($0, 0o700) } == 0)
  atexit { try? FileManager.default.removeItem(atPath: scratch.string) }
  return path
}()

/// Replaces a file of the folder, which is made if need be.
func put(_ bytes: [UInt8], at name: FilePath) {
  let path = scratch.appending(name.components)
  let folder = path.removingLastComponent()
  if folder.withPlatformString({ access($0, F_OK) }) != 0 {
    try? FileManager.default.createDirectory(
      atPath: folder.string, withIntermediateDirectories: true)
  }
  do {
    let file = try FileDescriptor.open(
      path, .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(bytes) }
  } catch {
    preconditionFailure("\(path): \(error)")
  }
}
