import Foundation
import M2FPFiles
import M2FPResults
import Testing

@testable import M2FPBatch

/// What a run does when something goes wrong, by the binary itself.
struct FaultTests: EndToEnd {
  let place: WorkingFolder

  init() throws {
    place = try WorkingFolder()
  }

  @Test func aDryRunSaysWhyAndWritesNothing() throws {
    try addPhoto("in/a.png")
    let before = try tree("in")
    let result = try parse("in", "--dry-run")
    #expect(result.code == 0 && result.error.contains("would parse in/a.png: new"))
    #expect(try tree("in") == before)
    #expect(try parse("in", "--dry-run", "--out", "out").code == 0 && !exists("out"))
  }

  @Test func errorsMayEndARun() throws {
    for index in 0..<9 { try write("in/\(index).png", Data("text".utf8)) }
    let first = try parse("in", "--fail-fast", "--json", "--jobs", "1")
    #expect(first.code == 3 && first.total("failed") == 1 && first.total("remaining") == 8)
    let third = try parse("in", "--max-errors", "3", "--json", "--jobs", "1")
    #expect(third.code == 3 && third.total("failed") == 3)
    #expect(try parse("in", "--max-errors", "3", "--fail-fast").code == 64)
  }

  @Test func aLockedFolderIsWaitedForOrFails() throws {
    try addPhoto("in/a.png")
    let locks = try OutputLock.acquire(
      Selection(paths: [folder + "/in"]), out: folder + "/out", mode: .fail,
      cancellation: Cancellation(), onWait: { _ in })
    let locked = try parse("in", "--out", "out")
    #expect(locked.code == 75 && locked.error.contains("--lock wait"))
    let waited = try parse("in", "--out", "out", "--lock", "wait", "--time-limit", "1s")
    #expect(waited.code == 75 && waited.error.contains("waiting"))
    #expect(!exists("out/a.m2fp.json"))
    #expect(try parse("in", "--out", "out", "--lock", "off").code == 0)
    withExtendedLifetime(locks) {}
  }

  /// Standard output is a pipe that nobody empties, so that the run cannot end.
  @Test(.timeLimit(.minutes(2))) func aSecondSignalStopsAtOnce() throws {
    for index in 0..<80 { try write("in/\(index).png", Data("text".utf8)) }
    try write("error", Data())
    let pipe = Pipe()
    let descriptor = pipe.fileHandleForReading.fileDescriptor
    // F_SETPIPE_SZ, a macro that Swift does not see.
    #expect(fcntl(descriptor, 1031, 4096) == 4096)
    let process = Process()
    process.executableURL = Self.binary
    process.arguments = ["parse", folder + "/in", "--model", Self.model, "--json"]
    process.standardOutput = pipe
    process.standardError = FileHandle(forWritingAtPath: folder + "/error")
    try process.run()
    var waiting: Int32 = 0
    while process.isRunning, waiting < 3500 {
      usleep(10_000)
      #expect(ioctl(descriptor, UInt(FIONREAD), &waiting) == 0)
    }
    // For the other files, whose lines do not fit.
    usleep(1_500_000)
    process.interrupt()
    while process.isRunning,
      !(try String(contentsOf: url("error"), encoding: .utf8)).contains("stopping")
    {
      usleep(10_000)
    }
    #expect(process.isRunning, "the first lets the files in hand end")
    process.terminate()
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 128 + SIGTERM)
  }
}
