import Foundation
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

  @Test func killedAtAnyMomentARunGoesOnToTheSameTree() throws {
    for index in 0..<12 { try addPhoto("in/\(index).png", width: 200 + index, height: 200) }
    #expect(try parse("in", "--out", "whole").code == 0)
    var kept = 0
    for round in 1...3 {
      let running = try startParse(["in", "--out", "out", "--jobs", "2"])
      while running.process.isRunning, try sidecars() < round * 3 { usleep(2000) }
      kill(running.process.processIdentifier, SIGKILL)
      _ = try running.finish()
      #expect(try sidecars() >= kept, "what is done is not undone")
      kept = try sidecars()
    }
    let last = try parse("in", "--out", "out", "--json")
    #expect(last.code == 0 && last.total("current") ?? 0 >= kept)
    #expect(try tree("out") == tree("whole"), "nothing half, nothing temporary, no lock")
  }

  private func sidecars() throws -> Int {
    (try? tree("out").keys.count { $0.hasSuffix(".m2fp.json") }) ?? 0
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

  /// On a file system of its own that is soon full, and then made larger.
  @Test func aFullDiskEndsTheRunAndLosesNothing() throws {
    for index in 0..<12 { try addPhoto("in/\(index).png", width: 200 + index, height: 200) }
    #expect(try parse("in", "--out", "whole").code == 0)
    let namespace = ["unshare", "--mount"] + (getuid() == 0 ? [] : ["--map-root-user"])
    let result = try shell(
      """
      mkdir small full after
      mount -t tmpfs -o size=96k tmpfs small
      code=0; "$M2FP" parse --model "$MODEL" in --out small || code=$?
      cp -a small/. full
      mount -o remount,size=10m small
      "$M2FP" parse --model "$MODEL" in --out small
      cp -a small/. after
      exit $code
      """, with: namespace)
    #expect(result.code == 73, "\(result.error)")
    #expect(
      result.error.contains("No space left on device")
        && result.error.contains("disk-full") == false)
    let (full, whole) = (try tree("full"), try tree("whole"))
    #expect(full.count < whole.count)
    for (name, contents) in full { #expect(whole[name] == contents, "\(name) is whole") }
    for name in full.keys where name.hasSuffix(".json") {
      let outputs = Sidecar.read(folder + "/full/" + name)?.outputs.map(\.path) ?? []
      #expect(!outputs.isEmpty && outputs.allSatisfy { full[$0] != nil })
    }
    #expect(try tree("after") == whole)
  }
}
