import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

private let cache: ResultCache = {
  let folder = FilePath(NSTemporaryDirectory() + "m2fp-fuzz-cache-\(getpid())")
  guard let cache = try? ResultCache(folder, limit: .max) else { preconditionFailure("no folder") }
  return cache
}()

private struct Header: Decodable {
  let sidecar: Sidecar
}

/// An entry of the cache, whole and true to its digest and to its name, holds whatever it may: it is
/// one, with outputs that lie within it, or damaged.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCache(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  let rest = UnsafeRawBufferPointer(start: bytes, count: count)
  let line = Data(rest.prefix { $0 != UInt8(ascii: "\n") })
  var key = String(repeating: "a", count: 64)
  if let sidecar = try? JSONDecoder().decode(Header.self, from: line).sidecar {
    key = ResultCache.key(
      input: sidecar.input.sha256, model: sidecar.model, options: sidecar.options)
  }
  let entry = Array("m2fp-result \(SHA256.hexadecimal(of: rest))\n".utf8) + rest
  let path = cache.folder.appending("v1/\(key.prefix(2))/\(key).entry")
  do {
    try AtomicFile.write(Data(entry), to: path)
  } catch {
    preconditionFailure("\(error)")
  }
  if case .hit(let entry) = cache.fetch(key) {
    var sum = 0
    entry.forEachOutput { output, bytes, original in
      precondition(bytes.count == output.size && original.offset % 4096 == 0)
      precondition(OutputNames.isOutput(suffix: output.path))
      sum &+= bytes.reduce(0) { $0 &+ Int($1) }
    }
  }
  _ = path.withPlatformString { unlink($0) }
  return 0
}
