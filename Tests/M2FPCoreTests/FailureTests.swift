import Foundation
import SystemPackage
import Testing

@testable import M2FPCore

struct FailureTests {
  @Test func aProgrammerReadsASentence() {
    let failure = FileFailure.writing("out/a.png", .permissionDenied)
    #expect(
      "\(failure)" == "write failed (output-not-writable): cannot write in out: permission denied")
    #expect(failure.underlying == .permissionDenied)
    let run = RunFailure.notWritable(.cache, failure, prefix: "the cache cannot be used: ")
    #expect(
      "\(run)"
        == "the cache cannot be used: cannot write in out: permission denied (output-not-writable)")
    #expect(run.cause == failure && run.underlying == .permissionDenied)
  }

  @Test(arguments: [
    (Errno.noSpace, FileFailure.Code.diskFull), (.diskQuotaExceeded, .diskFull),
    (.fileNameTooLong, .outputNotWritable), (.tooManyOpenFiles, .outputNotWritable),
    (.isDirectory, .outputNotWritable), (.readOnlyFileSystem, .outputNotWritable),
    (.staleNFSFileHandle, .outputNotWritable), (.ioError, .outputNotWritable),
  ])
  func whatTheSystemRefusesIsSaidWithThePath(_ error: Errno, _ code: FileFailure.Code) {
    let failure = FileFailure.writing("out/a.png", error)
    #expect(failure.code == code && failure.underlying == error)
    #expect(failure.message.contains(error.isAboutFolder ? "in out:" : "out/a.png"))
    #expect(failure.message.hasSuffix(error.reason))
  }

  /// Words of our own where the system's say nothing of files, and never an empty sentence.
  @Test func everyRefusalHasAReason() {
    for number in 1...133 {
      let reason = Errno(rawValue: Int32(number)).reason
      #expect(!reason.isEmpty && !reason.contains("\n"))
    }
    #expect(Errno.fileNameTooLong.reason == "the name is longer than the file system allows")
  }

  @Test func foundationNamesTheRefusal() {
    let error = #expect(throws: (any Error).self) {
      try Data(contentsOf: URL(fileURLWithPath: "/nonexistent/x"))
    }
    #expect(error.map { Errno($0) } == .noSuchFileOrDirectory)
    #expect(Errno(CocoaError(.featureUnsupported)) == .ioError)
  }
}
