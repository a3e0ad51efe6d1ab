import Foundation
import TestSupport
import Testing

/// Defaults from m2fp.toml, and suggestions for what is misspelt.
struct ConfigurationTests: CLIFixture {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func write(_ text: String, to name: String) throws {
    try folder.write(name, text.utf8)
  }

  @Test func aFileSetsDefaultsAndTheCommandLineIsStronger() async throws {
    try addPhoto("a.png")
    try write(
      """
      model = "colour-multi"
      [parse]
      masks = ["hair"]
      overlay = true
      max_side = 128
      """, to: "m2fp.toml")
    let models = ["M2FP_MODELS": Self.models]
    #expect(try await run("parse", "a.png", "--out", "one", environment: models).code == 0)
    #expect(folder.exists("one/a.m2fp/hair.png") && !folder.exists("one/a.m2fp/face.png"))
    #expect(folder.exists("one/a.m2fp.overlay.jpg"))
    #expect(
      try await run(
        "parse", "a.png", "--out", "two", "--masks=face", "--no-overlay", environment: models
      ).code == 0)
    #expect(folder.exists("two/a.m2fp/face.png") && !folder.exists("two/a.m2fp/hair.png"))
    #expect(!folder.exists("two/a.m2fp.overlay.jpg"))
    let none = try await run(
      "parse", "a.png", "--out", "three", "--no-config", "--model", Self.model)
    #expect(none.code == 0 && folder.exists("three/a.m2fp/face.png"))
    let shown = try await run("config", "show", "parse")
    #expect(shown.code == 0)
    #expect(shown.output.contains("max-side = 128") && shown.output.contains("# m2fp.toml"))
    let other = try await run("config", "show", "classes")
    #expect(other.output.contains("model = \"colour-multi\""), "a key at the top is for all")
  }

  /// The user's file, over it the folder's, over that the environment, over all the command line.
  @Test func sourcesOfDefaultsHaveAnOrder() async throws {
    try write("masks = \"hat\"\njobs = 3\nmax_side = 640\n", to: "home/.config/m2fp/m2fp.toml")
    try write("masks = \"hair\"\njobs = 2\n", to: "m2fp.toml")
    var environment = [
      "HOME": folder.path + "/home", "XDG_CONFIG_HOME": "", "M2FP_MASKS": "face",
      "M2FP_OVERLAY": "1",
    ]
    let shown = try await run("config", "show", "parse", environment: environment)
    let lines = shown.output.split(separator: "\n").map(String.init)
    for (setting, origin) in [
      ("masks = \"face\"", "M2FP_MASKS"), ("overlay = true", "M2FP_OVERLAY"),
      ("jobs = 2", "m2fp.toml"), ("max-side = 640", "home/.config/m2fp/m2fp.toml"),
    ] {
      #expect(lines.contains { $0.hasPrefix(setting) && $0.hasSuffix(origin) }, "\(shown.output)")
    }
    try addPhoto("a.png")
    let result = try await run(
      "parse", "a.png", "--model", Self.model, "--no-overlay", environment: environment)
    #expect(result.code == 0, "\(result.error)")
    #expect(folder.exists("a.m2fp/face.png") && !folder.exists("a.m2fp/hair.png"))
    #expect(!folder.exists("a.m2fp.overlay.jpg"))

    environment["M2FP_OVERLAY"] = "perhaps"
    let wrong = try await run("parse", "a.png", environment: environment)
    #expect(wrong.code == 64 && wrong.error.contains("M2FP_OVERLAY is a switch"))
    environment["M2FP_OVERLAY"] = ""
    environment["M2FP_JOBS"] = "many"
    let text = try await run("parse", "a.png", environment: environment)
    #expect(text.code == 64 && text.error.contains("In what sets defaults, M2FP_"))
  }

  @Test func whatConfigShowPrintsIsAConfiguration() async throws {
    let shown = try await run("config", "show")
    #expect(shown.code == 0)
    try write(shown.output, to: "copy.toml")
    #expect(try await run("config", "show", "--config", "copy.toml").code == 0)
  }

  @Test func aFileThatTheShellEmptiedIsNotRead() async throws {
    let fresh = try await shell("\"$M2FP\" config show parse >m2fp.toml")
    #expect(fresh.code == 0)
    let written = try folder.text("m2fp.toml")
    #expect(written.hasPrefix("# m2fp's own defaults\n") && written.contains("max-side = 800"))
    #expect(!written.contains("# m2fp.toml"), "none of them comes from there")
    #expect(fresh.error.contains("m2fp.toml is where this goes"))
    // And is a configuration, which the next call reads.
    let again = try await run("config", "show", "parse")
    #expect(again.output.hasPrefix("# Defaults from m2fp.toml\n") && again.error.isEmpty)
    // Behind what is there it may be read.
    let appended = try await shell("\"$M2FP\" config show parse >>m2fp.toml")
    #expect(appended.code == 0 && appended.error.isEmpty)
  }

  @Test func whatHasADefaultIsNeverCalledUnset() async throws {
    let shown = try await run("config", "show", "parse").output
    #expect(shown.contains("# default: one for each CPU that the process may use\n"))
    #expect(shown.contains("# default: the model's own classes\n"))
    let unset = shown.split(separator: "\n").filter { $0.hasSuffix("# not set") }
    #expect(unset.allSatisfy { $0.hasPrefix("# ") && $0.contains(" =") })
  }

  @Test func aTextOfTheFileIsShownAsTOMLReadsIt() async throws {
    try write("[parse]\nmodel = \"a\\u001Bb\\nc\\\"d\\\\\"", to: "m2fp.toml")
    let shown = try await run("config", "show", "parse")
    #expect(shown.output.contains(#"model = "a\u001Bb\u000Ac\"d\\""#), "\(shown.output)")
    try write(shown.output, to: "copy.toml")
    let copy = try await run("config", "show", "parse", "--config", "copy.toml")
    #expect(copy.output.contains(#"model = "a\u001Bb\u000Ac\"d\\""#))
  }

  @Test(arguments: [
    ("[parse]\nmax-sdie = 800", "did you mean 'max-side'?"),
    ("[prase]\nmax-side = 800", "did you mean 'parse'?"),
    ("maks = \"hair\"", "did you mean 'masks'?"),
    ("[parse]\noverlay = \"yes\"", "true or false"),
    ("[parse]\nmax-side = 3", "In what sets defaults, c.toml"),
    ("[parse]\nmax-side = \"wide\"", "In what sets defaults, c.toml"),
    ("[parse\n", "c.toml, line 1"), ("a = 1\n[.parse]\n", "c.toml, line 2"),
    ("[parse]\nmasks = \"\\xFF\"", "c.toml, line 2"),
  ])
  func aWrongFileIsExplained(_ text: String, _ message: String) async throws {
    try write(text, to: "c.toml")
    let result = try await run("parse", "a.png", "--config", "c.toml")
    #expect(result.code == 64 && result.error.contains(message), "\(result.error)")
  }

  /// The file's values that do not go with what is typed count for nothing; what is typed does.
  @Test(arguments: [
    ("keep-going = true", ["--fail-fast"], 1), ("max-errors = 2", ["--fail-fast"], 1),
    ("fail-fast = true", ["--keep-going"], 3), ("fail-fast = true", ["--max-errors", "2"], 2),
    ("fail-fast = true", ["--no-fail-fast"], 3), ("max-errors = 2", ["--keep-going"], 3),
    ("cache = \"file-in-the-way\"", ["--no-cache"], 3), ("no-cache = true", ["--cache", "c"], 3),
    ("log-level = \"debug\"", ["--quiet"], 3), ("quiet = true", ["--log-level", "info"], 3),
    ("overlay = true\noverlay-names = true\noverlay-font = \"x\"", ["--no-overlay"], 3),
    ("overlay-opacity = 0.3", [], 3), ("min-person-score = 0.3\nperson-masks = \"hair\"", [], 3),
    ("persons = true\nmax-person-overlap = 0.3", ["--no-persons"], 3),
    ("min-person-size = 10", ["--export", "labels=labels"], 3),
  ])
  func noDefaultContradictsWhatIsTyped(_ file: String, _ typed: [String], _ failed: Int)
    async throws
  {
    for name in ["1", "2", "3"] { try write("no photo", to: "in/\(name).png") }
    try write("", to: "file-in-the-way")
    try write("[parse]\nmodel = \"\(Self.model)\"\njobs = 1\n" + file, to: "c.toml")
    let result = try await run(["parse", "in", "--json", "--config", "c.toml"] + typed)
    #expect(result.code == 3 && result.summary?.failed == failed, "\(result.error)")
    #expect(!typed.contains("--quiet") || !result.error.contains("debug"))
  }

  @Test func aDefaultThatNeedsAnotherOptionWaitsForIt() async throws {
    try addPhoto("in/a.png")
    try write(
      "[parse]\nmodel = \"\(Self.model)\"\noverlay-format = \"png\"\nmin-person-size = \"90%\"",
      to: "c.toml")
    #expect(
      try await run("parse", "in", "--config", "c.toml", "--overlay", "--export", "coco=c.json")
        .code == 0)
    #expect(folder.exists("in/a.m2fp.overlay.png"))
    #expect(!(try folder.text("c.json")).contains("person_id"))
  }

  @Test(arguments: [
    (["prase", "x"], "did you mean 'm2fp parse'?"),
    (["parse", "x", "--maks", "hair"], "--masks"),
    (["eval", "--predicitons", "a", "--truth", "b"], "did you mean '--predictions'?"),
    (["help", "outptus"], "did you mean 'outputs'?"),
    (["config", "shwo"], "'m2fp config show'"),
    (["config", "show", "prase"], "did you mean 'parse'?"),
    (["eval", "--predictions", "a", "--truth", "b", "--classes", "chip"], "did you mean 'cihp'?"),
    (["classes", "--model", Self.model, "--palette", "vco"], "did you mean 'voc'?"),
  ])
  func theNearestNameIsSuggested(_ arguments: [String], _ message: String) async throws {
    let result = try await run(arguments)
    #expect(result.code == 64 && result.error.contains(message), "\(result.error)")
  }

  /// What never ends, and what is no file.
  @Test(
    .timeLimit(.minutes(5)),
    arguments: [
      ["classes", "--model", Self.model, "--palette"],
      ["parse", "in", "--model", Self.model, "--remap"],
      ["eval", "--predictions", "in", "--truth", "in", "--classes"], ["parse", "in", "--config"],
    ])
  func issue17FilesThatOptionsNameAreBounded(_ arguments: [String]) async throws {
    for (name, reason) in [
      ("/dev/zero", "larger than the file system or the process's limit allows"),
      ("/", "it is a folder"),
    ] {
      let result = try await run(arguments + [name])
      #expect(result.code == 64, "\(result.error)")
      #expect(result.error.lowercased().contains(reason), "\(result.error)")
      #expect(result.error.contains("\(name): cannot be read: "), "\(result.error)")
    }
  }

  /// A palette, a table and a set of classes whose names are not UTF-8.
  @Test func issue17FilesThatOptionsNameAreFoundByTheirBytes() async throws {
    let result = try await shell(
      """
      name=$(printf 'p\\351')
      seq 20 | sed 's/.*/#0000ff/' >"$name"
      "$M2FP" classes --model "$MODEL" --palette "$name" >/dev/null
      printf 'Background\\nHair\\n' >"$name"
      mkdir truth
      "$M2FP" eval --predictions truth --truth truth --classes "$name" 2>&1 || test $? = 66
      """)
    #expect(result.code == 0, "\(result.error)")
    #expect(result.output.contains("no label map found"), "\(result.output)")
  }

  @Test func aFolderInPlaceOfACommandIsUnderstood() async throws {
    #expect(mkdir(folder.path("photos"), 0o700) == 0)
    #expect(try await run("photos").error.contains("m2fp parse photos"))
  }

  // MARK: - A file that is found

  @Test func issue17AFileThatIsFoundIsNamed() async throws {
    try addPhoto("a.png")
    try write("[parse]\nmasks = \"none\"\nquiet = true\n", to: "m2fp.toml")
    let notice = "m2fp: notice: defaults are those of m2fp.toml\n"
    #expect(try await parse("a.png").error.contains(notice), "whatever the file says of messages")
    #expect(try await parse("a.png", "--quiet").error.isEmpty)
    #expect(try await parse("a.png", "--no-config").error.contains("notice") == false)
    let json = try await parse("a.png", "--log-format", "json")
    #expect(json.error.contains(#""level":"notice","message":"defaults are those of m2fp.toml""#))
  }

  /// The file counts for nothing, and is not even parsed.
  @Test(arguments: [
    ("chmod 666 m2fp.toml", "others may write to it"),
    ("chmod 777 .", "of its folder, others may write to it"),
    ("mv m2fp.toml real.toml; ln -s real.toml m2fp.toml", "it is a symbolic link"),
    ("chown 65534 m2fp.toml", "it belongs to another user"),
    ("chown 65534 .", "of its folder, it belongs to another user"),
    ("chgrp 65534 m2fp.toml; chmod 660 m2fp.toml", "a group may write to it"),
    ("rm m2fp.toml; mkfifo m2fp.toml", "is not a regular file"),
    ("rm m2fp.toml; mkdir m2fp.toml", "is not a regular file"),
    ("truncate -s 20M m2fp.toml", "more than the limit"),
  ])
  func issue17AFileThatAnotherCanHaveWrittenIsLeftOut(
    _ change: String, _ reason: String
  ) async throws {
    if change.contains("ch"), change.contains("65534"), geteuid() != 0 { return }
    try addPhoto("a.png")
    try write("no TOML", to: "m2fp.toml")
    #expect(try await shell(change).code == 0)
    let result = try await parse("a.png")
    #expect(result.code == 0 && folder.exists("a.m2fp/hair.png"))
    #expect(result.error.contains("m2fp: warning: m2fp.toml is not read"), "\(result.error)")
    #expect(result.error.contains(reason), "\(result.error)")
    #expect(result.error.contains("--config m2fp.toml"))
    let shown = try await run("config", "show", "parse")
    #expect(shown.output.contains("\n# m2fp.toml is not read"), "\(shown.output)")
  }

  /// It may have come with the photos.
  @Test(arguments: [
    "out = \"elsewhere\"", "failed-to = \"list\"", "failed_to = \"list\"", "metrics = \"a.prom\"",
    "export = [\"coco=c.json\"]", "sheet = \"s.html\"", "cache = \"c\"", "model = \"./a.pt\"",
    "model = \"a.pt\"", "links = \"follow\"",
    "trust-model = \"\(String(repeating: "0", count: 64))\"",
    "model = \"dir/a\"", "background = \"a.png\"", "files-from = \"list\"",
    "overwrite-edited = true",
  ])
  func issue17AFileThatIsFoundSaysNotWhereToWrite(_ line: String) async throws {
    try addPhoto("a.png")
    for text in [line, "[parse]\n" + line] {
      try write(text, to: "m2fp.toml")
      let result = try await run("parse", "a.png")
      #expect(result.code == 64, "\(result.error)")
      #expect(result.error.contains("that is merely found may not set"), "\(result.error)")
      #expect(Set(folder.files()) == ["a.png", "m2fp.toml"])
      // Named, it is obeyed.
      let named = try await run("config", "show", "parse", "--config", "m2fp.toml")
      #expect(named.code == 0, "\(named.error)")
    }
  }
}
