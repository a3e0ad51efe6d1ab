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
  put(list, at: "list")
  // A watched folder's names come as they are; what begins like an export is none of its photos.
  precondition(list.isEmpty || OutputNames.isOutputName(list + Array(".m2fp.png".utf8)))
  _ = (OutputNames.isOutputName(list), ExportSignature.begins(list))
  checkFailures(of: list)
  precondition(PathList().entries.isEmpty)
  for zeroTerminated in [false, true] {
    for entry in PathList(list, zeroTerminated: zeroTerminated).entries {
      precondition(PathList(entry).entries == [entry])
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

/// A list on disk is the list, and the failures of its entries are the list of the next run.
private func checkFailures(of list: [UInt8]) {
  let path = scratch.appending("failures")
  for zeroTerminated in [false, true] {
    do throws(RunFailure) {
      let read = try PathList(contentsOf: scratch.appending("list"), zeroTerminated: zeroTerminated)
      precondition(read.entries == PathList(list, zeroTerminated: zeroTerminated).entries)
      let paths = read.entries.filter { $0.path != nil }
      var failures = try FailureList(path, zeroTerminated: zeroTerminated)
      for entry in paths {
        failures.add(
          Input(path: entry.path ?? "", relativePath: entry.relativePath, root: entry.root))
      }
      let untold = try failures.write()
      let again = try PathList(contentsOf: path, zeroTerminated: zeroTerminated)
      precondition(again.entries.count == paths.count - untold.count)
    } catch {
      preconditionFailure("there is room: \(error)")
    }
  }
  precondition((try? PathList(contentsOf: "none", zeroTerminated: false)) == nil)
  // Written to, not replaced; and what is no place for one.
  _ = try? FailureList("/dev/null", zeroTerminated: true).write()
  for place in [path.appending("failures"), scratch] {
    precondition((try? FailureList(place, zeroTerminated: true)) == nil)
  }
}
