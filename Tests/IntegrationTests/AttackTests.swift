import Foundation
import TestSupport
import Testing

/// What an ordinary user tries in a folder that he shares with root, whose run must neither write,
/// delete nor publish anything for him (SECURITY.md). `make attack` runs these alone.
@Suite(
  .enabled(if: geteuid() == 0, "attacks are made by another user: run the tests as root"),
  .serialized)
struct AttackTests: CLIFixture {
  let folder: TemporaryFolder

  /// Runs of each race.
  private let rounds = Self.number("ATTACK_ROUNDS", default: 3)

  /// `shared` is written to by all; `private` belongs to root alone and holds a photo and a file.
  init() throws {
    folder = try TemporaryFolder()
    for name in ["shared", "private"] {
      try FileManager.default.createDirectory(
        atPath: folder.path(name), withIntermediateDirectories: true)
    }
    try #require(chmod(folder.path("shared"), 0o777) == 0)
    try addPhoto("private/secret.png", width: 90, height: 80)
    try folder.write("private/precious", "precious".utf8)
    try folder.write("private/hair.png", "precious".utf8)
    try #require(chmod(folder.path("private/secret.png"), 0o600) == 0)
    try #require(chmod(folder.path("private"), 0o700) == 0)
    try #require(chmod(folder.path, 0o755) == 0)
  }

  /// Runs a script as the user nobody, who reads and runs what all may.
  private func attack(_ script: String) async throws {
    let result = try await shell(
      script, by: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    #expect(result.code == 0, "\(result.error)")
  }

  /// What lies in root's own folder, and who may do what with it.
  private func state() throws -> [String: String] {
    var state: [String: String] = [:]
    for (name, data) in try folder.tree("private") {
      var status = stat()
      #expect(lstat(folder.path("private/" + name), &status) == 0)
      state[name] = "\(status.st_mode) \(data.hashValue)"
    }
    return state
  }

  /// Makes the attack and then root's run, after which nothing in root's folder has changed.
  private func defend(
    _ script: String, _ arguments: [String] = ["shared", "--persons", "--overlay"],
    comment: Comment? = nil
  ) async throws -> ChildProcess.Finished {
    let before = try state()
    try await attack(script)
    let result = try await CLIRun.limited(start(["parse", "--model", Self.model] + arguments))
    #expect(try state() == before, comment)
    #expect(!(try published()), "no picture of the private photo is where others read")
    return result
  }

  /// Whether anything of the private photo's size can be read by others.
  private func published() throws -> Bool {
    try folder.tree("shared").keys.contains { $0.contains("secret") }
  }

  @Test func issue17AFolderOfMasksThatLeadsElsewhereIsNotWrittenTo() async throws {
    try addPhoto("shared/p.png")
    let elsewhere = folder.path("private")
    let result = try await defend(
      """
      ln -s \(elsewhere) shared/p.m2fp
      printf '{"outputs":[{"path":"p.m2fp/precious","size":1},{"path":"p.m2fp/hair.png","size":1}]}' \
        >shared/p.m2fp.json
      """)
    #expect(result.code == 3, "\(result.error)")
    #expect(result.error.contains("p.png"), "\(result.error)")
  }

  @Test func issue17LinksToPrivatePhotosAndFoldersAreLeftOut() async throws {
    try addPhoto("shared/p.png")
    let result = try await defend(
      "ln -s \(folder.path("private/secret.png")) shared/a.png; ln -s \(folder.path("private")) shared/sub"
    )
    #expect(result.code == 0, "\(result.error)")
    #expect(result.error.contains("2 left out: 2 symbolic links"), "\(result.error)")
    #expect(result.error.contains("shared/a.png: left out"))
    #expect(!folder.exists("shared/a.m2fp.png") && folder.exists("shared/p.m2fp.png"))
    let json = try await parse("shared", "--json", "--force")
    #expect(json.lines.filter { $0.status == "left-out" }.count == 2)
    #expect(json.summary?.leftOut == 2)
  }

  /// The photo is one when the folder is listed, and a link when it is read.
  @Test func issue17APhotoThatBecomesALinkIsNotRead() async throws {
    let before = try state()
    for number in 0..<10 { try addPhoto("shared/\(number).png") }
    #expect(try await shell("chown -R 65534:65534 shared").code == 0)
    let attacker = try ChildProcess(
      "setpriv",
      [
        "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
        """
        while :; do
          for n in 0 4 9; do
            mv $n.png $n.real; ln -s \(folder.path("private/secret.png")) $n.png; rm $n.png; mv $n.real $n.png
          done
        done
        """,
      ], in: folder.path("shared"))
    defer { attacker.send(SIGKILL) }
    for _ in 0..<rounds {
      _ = try await CLIRun.limited(
        start(["parse", "shared", "--model", Self.model, "--force", "--overlay"]))
    }
    attacker.send(SIGKILL)
    _ = try await attacker.finish()
    #expect(try state() == before)
    // Of all sidecars none is of the private photo.
    let secret = try await shell("sha256sum private/secret.png | cut -d' ' -f1")
    let digest = secret.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let mine = try await shell("sha256sum shared/1.png | cut -d' ' -f1")
    #expect(digest != mine.output.trimmingCharacters(in: .whitespacesAndNewlines))
    for (name, data) in try folder.tree("shared") where name.hasSuffix(".json") {
      #expect(!String(decoding: data, as: UTF8.self).contains(digest), "\(name)")
    }
  }

  /// The same for a folder of photos, beside which outputs are written.
  @Test func issue17AFolderThatBecomesALinkIsNotWrittenTo() async throws {
    let before = try state()
    for number in 0..<6 { try addPhoto("shared/sub/\(number).png") }
    #expect(try await shell("chown -R 65534:65534 shared").code == 0)
    let attacker = try ChildProcess(
      "setpriv",
      [
        "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c",
        "while :; do mv sub real; ln -s \(folder.path("private")) sub; rm sub; mv real sub; done",
      ], in: folder.path("shared"))
    defer { attacker.send(SIGKILL) }
    for _ in 0..<rounds {
      _ = try await CLIRun.limited(
        start(["parse", "shared", "--model", Self.model, "--force", "--overlay"]))
    }
    attacker.send(SIGKILL)
    _ = try await attacker.finish()
    #expect(try state() == before)
  }

  /// Under `--out` as well.
  @Test func issue17OutputsFollowNoLinkBelowTheirFolder() async throws {
    try addPhoto("in/sub/p.png")
    let result = try await defend(
      "ln -s \(folder.path("private")) shared/sub", ["in", "--out", "shared", "--overlay"])
    #expect(result.code == 3, "\(result.error)")
  }

  @Test func issue17ListsAndMetricsReplaceNoFileBehindALink() async throws {
    try folder.write("in/broken.png", "no photo".utf8)
    let precious = folder.path("private/precious")
    let result = try await defend(
      "ln -s \(precious) shared/list; ln -s \(precious) shared/m.prom; ln -s \(precious) shared/c.json",
      [
        "in", "--failed-to", "shared/list", "--metrics", "shared/m.prom", "--export",
        "coco=shared/c.json",
      ])
    #expect(result.code == 3, "\(result.error)")
    #expect(try folder.text("shared/list") == "in/./broken.png\n")
  }

  /// Pipes and folders where m2fp's own files belong.
  @Test func issue17NothingInTheWayHangsTheRun() async throws {
    try addPhoto("shared/p.png")
    let result = try await defend(
      """
      mkfifo shared/.m2fp-1.tmp shared/p.m2fp.json shared/p.m2fp.png shared/m.prom shared/list.png
      mkdir shared/p.m2fp; mkfifo shared/p.m2fp/hair.png
      """, ["shared/p.png", "--metrics", "shared/m.prom"])
    #expect(result.code == 0, "\(result.error)")
    #expect(folder.exists("shared/p.m2fp.json"))
  }

  @Test func issue17APipeAsTheListOfFailuresHangsNothing() async throws {
    try folder.write("in/broken.png", "no photo".utf8)
    let result = try await defend("mkfifo shared/list", ["in", "--failed-to", "shared/list"])
    #expect(result.code == 73, "\(result.error)")
  }

  /// Any process that may read a folder may lock it.
  @Test func issue17ALockedFolderHangsNothing() async throws {
    try addPhoto("shared/p.png")
    let locker = try ChildProcess(
      "setpriv",
      [
        "--reuid=65534", "--regid=65534", "--clear-groups", "flock", "-F", "shared", "sleep", "120",
      ],
      in: folder.path)
    defer { locker.send(SIGKILL) }
    try await Task.sleep(for: .milliseconds(300))
    let start = ContinuousClock.now
    let result = try await parse("shared")
    #expect(result.code == 3 && ContinuousClock.now - start < .seconds(100))
    #expect(result.error.contains("holds a lock on the folder"), "\(result.error)")
    locker.send(SIGKILL)
    _ = try await locker.finish()
  }

  @Test func issue17AConfigurationOfAnotherUserIsNotObeyed() async throws {
    try addPhoto("in/p.png")
    try await attack(
      "printf '[parse]\\nfailed-to = \"\(folder.path("private/precious"))\"\\nquiet = true' >shared/m2fp.toml"
    )
    let before = try state()
    let result = try await shell("cd shared && \"$M2FP\" parse ../in --model \"$MODEL\"")
    #expect(result.code == 0 && result.error.contains("is not read, since of its folder"))
    #expect(try state() == before)
  }

  /// The overlay of a photo that only root may read can be read by root alone.
  @Test func issue17PicturesOfAPrivatePhotoArePrivate() async throws {
    let result = try await parse("private/secret.png", "--out", "shared", "--overlay", "--persons")
    #expect(result.code == 0, "\(result.error)")
    #expect(folder.exists("shared/secret.m2fp.overlay.jpg") && folder.exists("shared/secret.m2fp"))
    try await attack("for f in shared/secret.m2fp*; do if [ -r \"$f\" ]; then exit 1; fi; done")
  }
}

extension CLIRun {
  /// The end of a run that must not hang.
  fileprivate static func limited(_ run: CLIRun) async throws -> ChildProcess.Finished {
    try await run.finish(within: .seconds(300))
  }
}
