import Foundation
import TestSupport
import Testing

/// Files that come while a run goes on, by the binary itself.
struct WatchTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try addPhoto("in/a.png")
  }

  private func wait(for name: String) async throws {
    let end = ContinuousClock.now + .seconds(600)
    while !folder.exists(name), ContinuousClock.now < end {
      try await Task.sleep(for: .milliseconds(50))
    }
    #expect(folder.exists(name))
  }

  @Test func issue19SIGTERMIsHowWatchingEnds() async throws {
    let run = try start(["watch", "in", "--out", "out", "--model", Self.model])
    try await wait(for: "out/a.m2fp.json")
    try addPhoto("in/new/b.png")
    try await wait(for: "out/new/b.m2fp.json")
    run.process.send(SIGTERM)
    let finished = try await run.finish()
    #expect(finished.code == 0, "\(finished.error)")
    #expect(finished.error.contains("2 parsed"), "\(finished.error)")
  }

  @Test(arguments: [
    (["in", "--sheet", "s.html"], "--sheet is for runs that end"),
    (["in", "--dry-run"], "--dry-run is for runs that end"), (["-"], "- is no folder"),
  ])
  func issue19WhatEndsDoesNotGoWithIt(_ arguments: [String], _ message: String) async throws {
    let result = try await run(["watch", "--model", Self.model] + arguments)
    #expect(result.code == 64 && result.error.contains(message), "\(result.error)")
  }

  @Test func issue19AFileIsNoFolder() async throws {
    let result = try await run("watch", "in/a.png", "--model", Self.model)
    #expect(result.code == 66 && result.error.contains("no folder that can be watched"))
  }

  @Test func issue19AListOnStandardInputIsParsedBeforeItEnds() async throws {
    try addPhoto("in/b.png")
    let result = try await shell(
      """
      { echo in/a.png
        n=0; until [ -e in/a.m2fp.json ] || [ $n = 600 ]; do sleep 0.2; n=$((n + 1)); done
        ls in >seen; echo in/b.png
      } | "$M2FP" parse --model "$MODEL" --files-from -
      """)
    #expect(result.code == 0, "\(result.error)")
    #expect(try folder.text("seen").contains("a.m2fp.json"))
    #expect(folder.exists("in/b.m2fp.json"))
  }
}
