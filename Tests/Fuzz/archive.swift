import Foundation
import M2FPCore

/// Whatever the bytes, the contract of a model archive is read or there is a reason why not.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzArchive(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  do throws(ArchiveRecord.Failure) {
    let record = try ArchiveRecord.read(
      "extra/contract.json", of: UnsafeRawBufferPointer(start: bytes, count: count))
    precondition(record.count <= ArchiveRecord.sizeLimit)
    _ = try? ModelContract(json: Data(record), path: "model.pt")
  } catch {
    switch error {
    case .missing: break
    case .unreadable(let reason): precondition(!reason.isEmpty)
    }
  }
  return 0
}
