import Foundation
import M2FPCore
import SystemPackage

/// Whatever the bytes, the contract of a model archive is read or there is a reason why not.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzArchive(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
  do throws(ArchiveRecord.Failure) {
    let record = try ArchiveRecord.read(
      "extra/contract.json", of: UnsafeRawBufferPointer(start: bytes, count: count))
    precondition(record.count <= ArchiveRecord.sizeLimit)
    checkFile(bytes, count, record)
    _ = try? ModelContract(json: Data(record), path: "model.pt")
  } catch {
    switch error {
    case .missing: break
    case .unreadable(let reason): precondition(!reason.isEmpty)
    }
  }
  return 0
}

/// In a file there is the same record.
private func checkFile(_ bytes: UnsafePointer<UInt8>, _ count: Int, _ record: [UInt8]) {
  put(Array(UnsafeBufferPointer(start: bytes, count: count)), at: "model.pt")
  guard let file = try? FileDescriptor.open(scratch.appending("model.pt"), .readOnly) else {
    preconditionFailure("it was written")
  }
  precondition((try? ArchiveRecord.read("extra/contract.json", of: file)) == record)
  try? file.close()
}
