import Foundation
import M2FPFiles
import M2FPImageIO
import M2FPResults
import TestSupport
import Testing

@testable import M2FPBatch

/// How a run is held, ended and gone on with: errors, locks, signals.
struct RunControlTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test func aDryRunSaysWhyAndWritesNothing() async throws {
    try addPhoto("in/a.png")
    let before = try folder.tree("in")
    let result = try await parse("in", "--dry-run")
    #expect(result.code == 0 && result.error.contains("would parse in/a.png: new"))
    #expect(try folder.tree("in") == before)
    #expect(try await parse("in", "--dry-run", "--out", "out").code == 0 && !folder.exists("out"))
  }

  @Test func errorsMayEndARun() async throws {
    for index in 0..<9 { try folder.write("in/\(index).png", "text".utf8) }
    let first = try await parse("in", "--fail-fast", "--json", "--jobs", "1")
    #expect(first.code == 3 && first.summary?.failed == 1 && first.summary?.remaining == 8)
    let third = try await parse("in", "--max-errors", "3", "--json", "--jobs", "1")
    #expect(third.code == 3 && third.summary?.failed == 3)
    #expect(try await parse("in", "--max-errors", "3", "--fail-fast").code == 64)
  }

  @Test func aLockedFolderIsWaitedForOrFails() async throws {
    try addPhoto("in/a.png")
    let locks = try OutputLock.acquire(
      Selection(paths: [folder.filePath("in")]), out: folder.filePath("out"), mode: .fail,
      cancellation: Cancellation(), onWait: { _ in })
    let locked = try await parse("in", "--out", "out")
    #expect(locked.code == 75 && locked.error.contains("--lock wait"))
    let waited = try await parse("in", "--out", "out", "--lock", "wait", "--time-limit", "4s")
    #expect(waited.code == 75 && waited.error.contains("waiting"))
    #expect(!folder.exists("out/a.m2fp.json"))
    #expect(try await parse("in", "--out", "out", "--lock", "off").code == 0)
    withExtendedLifetime(locks) {}
  }

  @Test func issue22PinnedWorkersGiveTheSameBytes() async throws {
    for index in 0..<8 { try addPhoto("in/\(index).png", width: 60 + index, height: 40) }
    #expect(try await parse("in", "--out", "free", "--jobs", "2", "--threads", "2").code == 0)
    let pinned = try await parse(
      "in", "--out", "pinned", "--jobs", "2", "--threads", "2", "--pin", "--verbose")
    #expect(pinned.code == 0 && pinned.error.contains("worker 2 keeps to CPU"), "\(pinned.error)")
    let free = try folder.tree("free")
    #expect(try folder.tree("pinned") == free && free.count > 8)
  }

  @Test func anInterruptedRunGoesOnWhereItWas() async throws {
    for index in 0..<60 { try addPhoto("\(index).png", width: 300, height: 300) }
    let interrupted = try startParse(".", "--jobs", "1", "--quiet")
    try await interrupted.process.wait { folder.files().contains { $0.hasSuffix(".m2fp.json") } }
    interrupted.process.send(SIGINT)
    #expect(try await interrupted.finish().code == 130)
    let result = try await parse(".", "--json")
    #expect(result.code == 0)
    let summary = try #require(result.summary)
    #expect(summary.current >= 1 && summary.parsed >= 1 && summary.current + summary.parsed == 60)
  }

  /// Standard output is a pipe that nobody empties, so that the run cannot end.
  @Test func aSecondSignalStopsAtOnce() async throws {
    for index in 0..<80 { try folder.write("in/\(index).png", "text".utf8) }
    let pipe = Pipe()
    let descriptor = pipe.fileHandleForReading.fileDescriptor
    // F_SETPIPE_SZ, a macro that Swift does not see.
    #expect(fcntl(descriptor, 1031, 4096) == 4096)
    let run = try start(
      ["parse", "in", "--model", Self.model, "--json"], output: pipe.fileHandleForWriting)
    try await run.process.wait {
      var waiting: Int32 = 0
      #expect(ioctl(descriptor, UInt(FIONREAD), &waiting) == 0)
      return waiting >= 3500
    }
    // For the other files, whose lines do not fit.
    try await Task.sleep(for: .milliseconds(1500))
    run.process.send(SIGINT)
    try await run.process.wait { run.error.contains("stopping") }
    #expect(run.isRunning, "the first lets the files in hand end")
    run.process.send(SIGTERM)
    #expect(try await run.finish().code == 128 + SIGTERM)
  }

  // MARK: - Limits of the process

  /// OpenBLAS spins for ever where it cannot map what it wants: such a run is refused before.
  @Test(
    arguments: ["-v 700000", "-v 1000000", "-v 1050000", "-d 200000"],
    ["a.png --jobs 1", "- <a.png"])
  func issue17TooLittleAddressSpaceIsSaid(_ limit: String, photo: String) async throws {
    try addPhoto("a.png")
    let run = try ChildProcess(
      "sh",
      [
        "-c",
        "ulimit \(limit); exec \(Self.binary) parse \(photo) --model \(Self.shippedModel)",
      ], in: folder.path)
    let result = try await run.finish()
    #expect(result.code == 75 && result.output.isEmpty, "\(result.error)")
    #expect(result.error.contains("ulimit \(limit.prefix(2))"), "\(result.error)")
    #expect(!folder.exists("a.m2fp.json"))
  }

  @Test func issue17TooFewThreadsAreSaid() async throws {
    guard geteuid() == 0 else { return }
    try addPhoto("a.png")
    #expect(chmod(folder.path, 0o777) == 0)
    // Who runs it may not be let into the checkout.
    try FileManager.default.copyItem(atPath: Self.binary, toPath: folder.path("m2fp"))
    try FileManager.default.copyItem(atPath: Self.model, toPath: folder.path("model.pt"))
    // An identity of its own, whose processes are all that count.
    let run = try ChildProcess(
      "setpriv",
      [
        "--reuid=64999", "--regid=64999", "--clear-groups", "prlimit", "--nproc=4", "./m2fp",
        "parse", "a.png", "--model", "model.pt", "--jobs", "2",
      ], in: folder.path)
    let result = try await run.finish()
    #expect(result.code == 75, "\(result.error)")
    #expect(result.error.contains("starts no further thread"), "\(result.error)")
    #expect(result.error.contains("ulimit -u"))
  }

  @Test func issue17TimeSpentStoppedDoesNotCount() async throws {
    for number in 0..<40 { try addPhoto(number: number, width: 300, height: 200) }
    let run = try startParse("in", "--timeout", "10", "--jobs", "1", "--json")
    try await run.process.wait { !run.lines.isEmpty }
    run.process.send(SIGSTOP)
    try await Task.sleep(for: .seconds(13))
    run.process.send(SIGCONT)
    let result = try await run.finish()
    #expect(result.code == 0 && result.summary?.failed == 0, "\(result.error)")
  }

  @Test func issue17DamagedPhotosFailWhereThatIsWanted() async throws {
    let photo = try JPEGEncoder.rgb(Photo.hairAndFace(width: 120, height: 100)).data
    // Without its end mark.
    try folder.write("in/a.jpg", photo.dropLast(2))
    let lenient = try await parse("in", "--json")
    #expect(lenient.code == 0 && lenient.summary?.parsed == 1, "\(lenient.error)")
    let strict = try await parse("in", "--force", "--strict-images", "--json")
    #expect(strict.code == 3 && strict.summary?.failed == 1, "\(strict.error)")
  }
}
