import M2FPCore
import SystemPackage
import Testing

@testable import M2FPCommands

struct RemediesTests {
  @Test(arguments: [
    (
      FileFailure(stage: .read, code: .fileTooLarge, message: "x", detail: .overLimit),
      "--max-file-size"
    ),
    (
      FileFailure(stage: .decode, code: .imageTooLarge, message: "x", detail: .overLimit),
      "--max-pixels"
    ),
    (
      FileFailure(
        stage: .decode, code: .libraryMissing, message: "x",
        detail: .missingLibrary("libjxl.so.0.7")), "install libjxl0.7"
    ),
    (FileFailure(stage: .infer, code: .outOfMemory, message: "x"), "--max-side"),
    (FileFailure(stage: .encode, code: .outOfMemory, message: "x"), "fewer --jobs"),
    (FileFailure(stage: .infer, code: .timeout, message: "x"), "--timeout"),
    (
      FileFailure(
        stage: .write, code: .outputCollision, message: "x",
        detail: .sameOutputs(fullNamesDiffer: true)), "--naming full"
    ),
    (
      FileFailure(
        stage: .write, code: .outputCollision, message: "x",
        detail: .sameOutputs(fullNamesDiffer: false)), "different --out folders"
    ),
    (
      FileFailure(stage: .read, code: .notAFile, message: "x", detail: .folderNamedAsImage),
      "on the command line"
    ),
    (
      FileFailure.writing("a/b", .permissionDenied),
      "make it writable or write elsewhere with --out"
    ),
    (FileFailure.writing("a/b", .readOnlyFileSystem), "write elsewhere with --out DIR"),
    (FileFailure.writing("a/b", .noSpace), "free some space"),
    (FileFailure.writing("a/b", .fileNameTooLong), "shorter name"),
    (FileFailure.writing("a/b", .isDirectory), "move it away"),
    (FileFailure.reading(.tooManyOpenFiles), "ulimit -n"),
    (FileFailure.reading(.staleNFSFileHandle), "the mount"),
  ])
  func aFailedFileIsToldWithWhatHelps(_ failure: FileFailure, _ words: String) {
    let message = failure.message
    #expect(
      failure.text.hasPrefix("\(message): ") && failure.text.contains(words), "\(failure.text)")
    #expect(!message.contains("--") && !failure.text.hasSuffix("."))
  }

  /// A decoder's own limit cannot be raised, and a file that may not be read is nobody's option.
  @Test func whereNothingHelpsNothingIsSaid() {
    for failure in [
      FileFailure(stage: .decode, code: .imageTooLarge, message: "x"),
      FileFailure(stage: .decode, code: .truncated, message: "x"), .reading(.permissionDenied),
    ] {
      #expect(failure.text == failure.message)
    }
    #expect(RunFailure(.internal, "x").text == "x.")
    #expect(RunFailure(.modelMissing, "no model; did you mean 'y'?").text.hasSuffix("'y'?"))
  }

  @Test(arguments: [
    (RunFailure.Kind.temporary, RunFailure.Detail?.some(.locked), "--lock wait."),
    (.outputNotWritable, .notLockable, "--lock off"), (.temporary, .stuckFiles, "--timeout"),
    (.noInput, .nothingSelected, "--include and --exclude"),
    (.modelMissing, .noSuchModel, "M2FP_MODELS"), (.modelContract, .damagedModel, "'m2fp doctor'"),
    (.modelContract, .noContract, "'python3 Models export'."),
    (.modelContract, .unusableContract, "'python3 Models export'."),
    (.modelContract, .contractVersion(isNewer: true), "Update m2fp"),
    (.modelContract, .contractVersion(isNewer: false), "this version's 'python3 Models export'"),
    (.usage, .noJobArray, "--array=1-N"), (.usage, .unevenJobArray, "--array=1-N"),
    (.libraryMissing, nil, "'make install'"),
  ])
  func aFailedRunIsToldWithWhatHelps(
    _ kind: RunFailure.Kind, _ detail: RunFailure.Detail?, _ words: String
  ) {
    let text = RunFailure(kind, "what failed", detail: detail).text
    #expect(
      text.hasPrefix("what failed. ") && text.hasSuffix(".") && text.contains(words), "\(text)")
  }

  /// What helps depends on what it is that cannot be written.
  @Test(arguments: [
    (RunFailure.Destination.results, "--out DIR."), (.cache, "--cache DIR."),
    (.failureList, "--failed-to FILE."), (.export, "another path."),
  ])
  func elsewhereIsWhereItsOptionSays(_ destination: RunFailure.Destination, _ words: String) {
    let denied = FileFailure.writing("a/b", .permissionDenied)
    let text = RunFailure.notWritable(destination, denied, prefix: "it is lost: ").text
    #expect(
      text
        == "it is lost: cannot write in a: permission denied. Make it writable or write elsewhere with "
        + words)
    let full = RunFailure.notWritable(destination, .writing("a/b", .noSpace)).text
    #expect(full.contains("Free some space and run again"))
    #expect(full.contains("the next run goes on") == (destination == .results))
  }
}
