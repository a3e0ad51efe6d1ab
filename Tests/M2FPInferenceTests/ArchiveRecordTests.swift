import Foundation
import SystemPackage
import TestSupport
import Testing

@testable import M2FPInference

struct ArchiveRecordTests {
  private func bytes(_ name: String) throws -> Data {
    try Fixtures.data("models/" + name)
  }

  private func contract(_ archive: Data) throws(ArchiveRecord.Failure) -> [UInt8] {
    // Data's closure is not typed in what it throws.
    try archive.withUnsafeBytes { bytes in
      Result { () throws(ArchiveRecord.Failure) in
        try ArchiveRecord.read("extra/contract.json", of: bytes)
      }
    }.get()
  }

  private func contract(inFile path: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter { try ArchiveRecord.read("extra/contract.json", of: file) }
  }

  @Test func fileAndBytesGiveTheSameRecord() throws {
    let path = Fixtures.path("models/colour-multi.pt")
    let record = try contract(inFile: path)
    #expect(try contract(bytes("colour-multi.pt")) == record)
    let object = try JSONSerialization.jsonObject(with: Data(record)) as? [String: Any]
    #expect(object?["model"] as? String == "m2fp-fixture")
  }

  @Test func aRecordThatIsNotThereIsMissing() throws {
    #expect(throws: ArchiveRecord.Failure.missing) { try contract(bytes("no-contract.pt")) }
  }

  @Test func aDamagedRecordIsToldByItsChecksum() throws {
    var archive = try bytes("colour-multi.pt")
    let place = try #require(archive.range(of: Data("format_version".utf8)))
    archive[place.lowerBound] ^= 1
    let failure = #expect(throws: ArchiveRecord.Failure.self) { try contract(archive) }
    #expect(failure == .unreadable("CRC error"))
  }

  @Test func noBytesAreReadBeyondTheArchive() throws {
    let archive = try bytes("colour-multi.pt")
    let record = try contract(archive)
    // Under any truncation and any one changed byte of the directory: the record or an error.
    for count in stride(from: 0, to: archive.count, by: 97) {
      #expect(throws: ArchiveRecord.Failure.self) { try contract(archive.prefix(count)) }
    }
    let directory = try #require(archive.range(of: Data("PK\u{1}\u{2}".utf8))).lowerBound
    for index in directory..<archive.count {
      var changed = archive
      changed[index] = ~changed[index]
      if let read = try? contract(changed) { #expect(read == record) }
    }
  }

  @Test func aRecordLargerThanAnyContractIsRefused() async throws {
    // A ZIP file of one deflated entry of 2 MiB of zeros, by Python's zipfile.
    let folder = try TemporaryFolder()
    let path = folder.path("large.zip")
    _ = try await TestPython.run(
      "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)"
        + ".writestr('a/extra/contract.json', bytes(2 << 20))", [path])
    #expect(throws: ArchiveRecord.Failure.unreadable("extra/contract.json is larger than 1 MiB")) {
      try contract(inFile: path)
    }
  }
}
