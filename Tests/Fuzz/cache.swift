import Foundation
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

private let cache: ResultCache = {
  guard let cache = try? ResultCache(scratch, limit: .max) else { preconditionFailure("no folder") }
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
  let path = scratch.appending("v1/\(key.prefix(2))/\(key).entry")
  put(entry, at: FilePath("v1/\(key.prefix(2))/\(key).entry"))
  if case .hit(let entry) = cache.fetch(key, for: .standard) {
    var sum = 0
    entry.forEachOutput { output, bytes, original in
      precondition(bytes.count == output.size && original.map { $0.offset % 4096 } == 0)
      precondition(OutputNames.isOutput(suffix: output.path))
      sum &+= bytes.reduce(0) { $0 &+ Int($1) }
    }
    checkStoring(entry, as: key)
    precondition(cache.statistics().entries == 1 && cache.verify() == ResultCache.Statistics())
    checkOthers(entry)
    precondition(cache.prune(to: 0).entries == 2)
  }
  _ = path.withPlatformString { unlink($0) }
  return 0
}

/// What came out of the cache can be put into it again, and is the same.
private func checkStoring(_ entry: ResultCache.Entry, as key: String) {
  var outputs: [[UInt8]] = []
  entry.forEachOutput { _, bytes, _ in outputs.append(Array(bytes)) }
  cache.store(
    key, sidecar: entry.sidecar, stem: [], access: .standard, warnings: entry.warnings,
    outputs: outputs.map { bytes in { $0.copyBytes(from: bytes) } })
  guard case .hit(let again) = cache.fetch(key, for: .standard) else {
    preconditionFailure("it was stored: \(String(describing: cache.problem))")
  }
  var copies: [[UInt8]] = []
  again.forEachOutput { _, bytes, _ in copies.append(Array(bytes)) }
  precondition(copies == outputs && again.sidecar.found == entry.sidecar.found)
}

/// What is no entry, and what cannot become one.
private func checkOthers(_ entry: ResultCache.Entry) {
  func name(_ digit: Character) -> String { String(repeating: digit, count: 64) }
  func isMiss(_ key: String) -> Bool {
    if case .miss = cache.fetch(key, for: .standard) { true } else { false }
  }
  // A file is in the way of the folder.
  put([], at: "v1/ee")
  cache.store(
    name("e"), sidecar: entry.sidecar, stem: [], access: .standard, warnings: [], outputs: [])
  precondition(cache.problem != nil && isMiss(name("e")) && isMiss(name("9")))
  for digit in ["b", "c"] as [Character] {
    put([1], at: FilePath("v1/\(digit)\(digit)/\(name(digit)).entry"))
  }
  let link = scratch.appending("v1/dd/\(name("d")).entry")
  put([], at: "v1/dd/other")
  symlink("other", link.string)
  for _ in 0..<2 { _ = cache.fetch(name("d"), for: .standard) }
  precondition(isMiss(name("d")))
  cache.pruneStored()
  if case .damaged = cache.fetch(name("b"), for: .standard) {
    precondition(cache.verify().entries == 1)
  } else {
    preconditionFailure("it is no entry")
  }
  put([1], at: FilePath("v1/cc/\(name("c")).entry"))
  precondition((try? ResultCache(scratch.appending("v1/ee/in"), limit: 1)) == nil)
}
