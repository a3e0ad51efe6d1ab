import Foundation
import TestSupport
import Testing

private let hasServer: Bool = FileManager.default.isExecutableFile(atPath: ServeTests.server)

/// The program that serves, where the machine has too little for it.
@Suite(.enabled(if: hasServer, "m2fp-serve is built with M2FP_SERVE=1"))
struct ServeTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  fileprivate static var server: String { binary + "-serve" }

  /// Workers, and what they have beside them, count as in a run over files.
  @Test func issue17TooFewThreadsAreSaid() async throws {
    guard geteuid() == 0 else { return }
    #expect(chmod(folder.path, 0o777) == 0)
    // Who runs it may not be let into the checkout.
    for (file, name) in [
      (Self.binary, "m2fp"), (Self.server, "m2fp-serve"), (Self.model, "model.pt"),
    ] {
      try FileManager.default.copyItem(atPath: file, toPath: folder.path(name))
    }
    // An identity of its own, whose processes are all that count.
    let run = try ChildProcess(
      "setpriv",
      [
        "--reuid=64998", "--regid=64998", "--clear-groups", "prlimit", "--nproc=12", "./m2fp",
        "serve", "--listen", "unix:socket", "--model", "model.pt", "--jobs", "16",
      ], in: folder.path)
    let result = try await run.finish()
    #expect(result.code == 75, "\(result.error)")
    #expect(result.error.contains("starts no further thread"), "\(result.error)")
    #expect(result.error.contains("ulimit -u") && !folder.exists("socket"))
  }

  /// What each thread maps counts: what is enough for some workers is too little for many.
  @Test(arguments: ["-v 1000000", "-v 12000000"])
  func issue17TooLittleAddressSpaceIsSaid(_ limit: String) async throws {
    let run = try ChildProcess(
      "sh",
      [
        "-c",
        """
        ulimit \(limit); exec \(Self.binary) serve --listen unix:socket --model \(Self.shippedModel) \
        --max-pixels 1 --jobs 64
        """,
      ], in: folder.path)
    let result = try await run.finish()
    #expect(result.code == 75 && !folder.exists("socket"), "\(result.error)")
    #expect(result.error.contains("64 workers") && result.error.contains("address space"))
  }

  @Test func issue17TooLittleMemoryIsSaid() async throws {
    let result = try await start(
      [
        "serve", "--listen", "unix:socket", "--model", Self.shippedModel, "--jobs", "4",
        "--memory-limit", "500M",
      ]
    ).finish()
    #expect(result.code == 75 && !folder.exists("socket"), "\(result.error)")
    #expect(result.error.contains("--memory-limit") && result.error.contains("500 MiB"))
  }
}
