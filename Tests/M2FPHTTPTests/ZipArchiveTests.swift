import Foundation
import TestSupport
import Testing

@testable import M2FPHTTP

struct ZipArchiveTests {
  /// The check value of CRC-32.
  @Test func checksum() {
    #expect(ZipArchive.checksum(Data("123456789".utf8)) == 0xCBF4_3926)
  }

  /// The limit is one of the whole archive, to the byte.
  @Test func issue17WhatDoesNotFitIsRefused() throws {
    var whole = ZipArchive()
    for name in ["a", "b"] { try whole.add(name, Data(count: 1000)) }
    for (limit, fits) in [(whole.data.count, true), (whole.data.count - 1, false)] {
      var archive = ZipArchive(limit: limit)
      try archive.add("a", Data(count: 1000))
      if fits {
        try archive.add("b", Data(count: 1000))
        #expect(archive.data == whole.data)
        #expect(throws: ZipArchive.TooLarge.self) { try archive.add("c", Data()) }
      } else {
        #expect(throws: ZipArchive.TooLarge.self) { try archive.add("b", Data(count: 1000)) }
      }
    }
    #expect(throws: ZipArchive.TooLarge.self) {
      try whole.add(String(repeating: "c", count: 65_536), Data())
    }
  }

  @Test func pythonReadsIt() async throws {
    var archive = ZipArchive()
    try archive.add("photo.m2fp.png", Data((0..<1000).map { UInt8(truncatingIfNeeded: $0) }))
    try archive.add("photo.m2fp/größe.png", Data("mask".utf8))
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
