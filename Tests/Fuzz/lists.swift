import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Whatever a list holds, each of its entries is a path, or none for a reason, and one that is written
/// again is read as the same file.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLists(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let list = Array(UnsafeBufferPointer(start: bytes, count: count))
  for zeroTerminated in [false, true] {
    for entry in PathList(list, zeroTerminated: zeroTerminated).entries {
      guard let path = entry.path else {
        precondition(!zeroTerminated && !entry.text.isEmpty)
        continue
      }
      precondition(!path.bytes.contains(0) && !entry.relativePath.isAbsolute)
      precondition(entry.relativePath.components.allSatisfy { $0.kind == .regular })
      let written = PathList.bytes(
        of: Input(path: path, relativePath: entry.relativePath, root: entry.root))
      if written.contains(zeroTerminated ? 0 : UInt8(ascii: "\n")) { continue }
      let again = PathList(written, zeroTerminated: zeroTerminated).entries
      precondition(again.count == 1 && again[0].path == path)
      precondition(again[0].relativePath == entry.relativePath)
    }
  }
  return 0
}
