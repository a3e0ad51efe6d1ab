import Foundation
import TestSupport
import Testing

@testable import M2FPHTTP

struct ZipArchiveTests {
  /// The check value of CRC-32.
  @Test func checksum() {
    #expect(ZipArchive.checksum(Data("123456789".utf8)) == 0xCBF4_3926)
  }

  @Test func pythonReadsIt() async throws {
    var archive = ZipArchive()
    archive.add("photo.m2fp.png", Data((0..<1000).map { UInt8(truncatingIfNeeded: $0) }))
    archive.add("photo.m2fp/größe.png", Data("mask".utf8))
    let folder = try TemporaryFolder()
    let path = try folder.write("a.zip", archive.data)
    let result = try await ChildProcess.run(
      "/usr/bin/python3",
      [
        "-c",
        """
        import sys, zipfile
        archive = zipfile.ZipFile(sys.argv[1])
        assert archive.testzip() is None
        print(archive.namelist(), len(archive.read("photo.m2fp.png")), archive.read("photo.m2fp/größe.png"))
        """, path,
      ], environment: ["PYTHONUTF8": "1"])
    #expect(
      result.output == "['photo.m2fp.png', 'photo.m2fp/größe.png'] 1000 b'mask'\n",
      "\(result.error)")
  }
}
