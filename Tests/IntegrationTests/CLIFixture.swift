import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport
import Testing

/// Runs of the binary in a folder of photos, with the fixture model that labels pixels by their
/// colour.
///
/// How long some tests are, and what is random about them, comes from the environment: short in
/// `make test`, long in `make chaos`, `make soak` and `make memory`.
protocol CLIFixture {
  var folder: TemporaryFolder { get }
}

extension CLIFixture {
  static var environment: [String: String] { ProcessInfo.processInfo.environment }
  static var models: String { Fixtures.path("models") }
  static var model: String { environment["TRIAL_MODEL"] ?? models + "/colour-multi.pt" }
  static var shippedModel: String {
    Fixtures.package.appendingPathComponent("Models/archives/m2fp-tiny.pt").path
  }

  /// The binary that the package manager built beside the tests, or that of the environment.
  static var binary: String {
    if let binary = environment["TRIAL_BINARY"] { return binary }
    var url = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    while url.path != "/" {
      url.deleteLastPathComponent()
      let binary = url.appendingPathComponent("m2fp")
      if FileManager.default.isExecutableFile(atPath: binary.path), !binary.hasDirectoryPath {
        return binary.path
      }
    }
    // Run through the toolchain's own test runner.
    return Fixtures.package.appendingPathComponent(".build/debug/m2fp").path
  }

  static func number(_ name: String, default number: Int) -> Int {
    environment[name].flatMap { Int($0) } ?? number
  }

  // MARK: - Runs

  /// Starts the binary in the folder.
  func start(
    _ arguments: [String], environment: [String: String] = [:], binary: String = Self.binary,
    output: FileHandle? = nil, error: FileHandle? = nil
  ) throws -> CLIRun {
    CLIRun(
      process: try ChildProcess(
        binary, arguments, in: folder.path, environment: environment, output: output, error: error),
      writesLines: ["parse", "render"].contains(arguments.first) && arguments.contains("--json")
        && output == nil, folder: folder)
  }

  /// Runs the binary in the folder.
  func run(
    _ arguments: [String], environment: [String: String] = [:], binary: String = Self.binary
  ) async throws -> ChildProcess.Finished {
    try await start(arguments, environment: environment, binary: binary).finish()
  }

  func run(
    _ arguments: String..., environment: [String: String] = [:], binary: String = Self.binary
  ) async throws -> ChildProcess.Finished {
    try await run(arguments, environment: environment, binary: binary)
  }

  /// Starts `parse` with the fixture model.
  func startParse(_ arguments: String...) throws -> CLIRun {
    try start(["parse", "--model", Self.model] + arguments)
  }

  /// Runs `parse` with the fixture model.
  func parse(
    _ arguments: [String], environment: [String: String] = [:]
  ) async throws -> ChildProcess.Finished {
    try await run(["parse", "--model", Self.model] + arguments, environment: environment)
  }

  func parse(
    _ arguments: String..., environment: [String: String] = [:]
  ) async throws -> ChildProcess.Finished {
    try await parse(arguments, environment: environment)
  }

  /// Runs a shell script in the folder; `$M2FP` and `$MODEL` are the binary and the fixture model.
  /// `launcher` is a command that runs the shell, if it is not to be run as it is.
  func shell(_ script: String, by launcher: [String] = []) async throws -> ChildProcess.Finished {
    let command = launcher + ["/bin/sh", "-euc", script]
    return try await ChildProcess.run(
      command[0], Array(command.dropFirst()), in: folder.path,
      environment: ["M2FP": Self.binary, "MODEL": Self.model])
  }

  // MARK: - Photos and results

  /// Hair on the left, a face on the right.
  func addPhoto(_ name: String, width: Int = 120, height: Int = 100) throws {
    try folder.write(
      name, PNGEncoder.rgb(Photo.hairAndFace(width: width, height: height)).data)
  }

  /// Another picture for each number, as PNG or as JPEG, in one of three folders.
  ///
  /// - Returns: Its name in `root`.
  @discardableResult
  func addPhoto(number: Int, width: Int, height: Int, in root: String = "in") throws -> String {
    let photo = Photo.stripes(width: width, height: height, number: number)
    let name = Self.name(number)
    try folder.write(
      root + "/" + name,
      number % 2 == 0 ? PNGEncoder.rgb(photo).data : JPEGEncoder.rgb(photo).data)
    return name
  }

  static func name(_ number: Int) -> String {
    let digits = String(number)
    return "\(number % 3)/" + String(repeating: "0", count: 5 - digits.count) + digits
      + (number % 2 == 0 ? ".png" : ".jpg")
  }

  /// The contents of all files below a folder, by relative path; temporary and lock files left out.
  func results(_ name: String) throws -> [String: Data] {
    try folder.tree(name).filter { !CLIRun.isTemporary($0.key) }
  }

  func decode(_ name: String) throws -> DecodedImage {
    try ImageDecoder.decode([UInt8](folder.read(name)))
  }
}

/// A run of the binary.
struct CLIRun: Sendable {
  let process: ChildProcess
  /// Whether the lines of `--json` are on standard output.
  fileprivate let writesLines: Bool
  fileprivate let folder: TemporaryFolder

  var isRunning: Bool { process.isRunning }
  var error: String { process.error }

  /// The lines on standard output so far that are whole.
  var lines: [ReportLine] { ReportLine.all(in: process.output) }

  /// Waits for the end; every run of a test goes through here. What it wrote for programs is
  /// checked against its schema.
  func finish(within limit: Duration = .seconds(600)) async throws -> ChildProcess.Finished {
    let finished = try await process.finish(within: limit)
    if writesLines { try await Schema.reportLine.check(ReportLine.whole(in: finished.output)) }
    try await Schema.sidecar.check(newSidecars())
    return finished
  }

  /// How many sidecars of one folder are checked; what more there are were made alike.
  private static let mostSidecars = 50

  /// The sidecars in the folder, of this version, that have not been checked before.
  private func newSidecars() -> [String] {
    var texts: [String] = []
    for file in folder.files() where file.hasSuffix(".m2fp.json") {
      if texts.count == Self.mostSidecars { break }
      guard let text = try? folder.text(file), text.contains("\"format_version\" : 3"),
        Self.checked.withLock({ $0.insert(text).inserted })
      else { continue }
      texts.append(text)
    }
    return texts
  }

  private static let checked = Locked<Set<String>>([])

  /// Whether a file in an output folder is one that a run makes for itself.
  static func isTemporary(_ name: String) -> Bool {
    name.split(separator: "/").last?.hasPrefix(".m2fp") ?? false
  }
}

/// A line of `parse --json`.
struct ReportLine: Decodable {
  struct Summary: Decodable {
    let parsed, cached, rendered, edited, current, planned, failed, leftOut, remaining, removed: Int
    let leftOutByKind: [String: Int]
    let peakMemory: Int

    enum CodingKeys: String, CodingKey {
      case parsed, cached, rendered, edited, current, planned, failed, remaining, removed
      case leftOut = "left_out"
      case leftOutByKind = "left_out_by_kind"
      case peakMemory = "peak_memory"
    }
  }

  var file: String?
  var status: String?
  var stage: String?
  var code: String?
  var message: String?
  var seconds: [String: Double]?
  var summary: Summary?

  /// The lines of a text that end with a line feed.
  static func whole(in text: String) -> [String] {
    guard let end = text.lastIndex(of: "\n") else { return [] }
    return text[..<end].split(separator: "\n").map(String.init)
  }

  static func all(in text: String) -> [ReportLine] {
    whole(in: text).compactMap { try? JSONDecoder().decode(ReportLine.self, from: Data($0.utf8)) }
  }
}

extension ChildProcess.Finished {
  /// The lines of `parse --json`.
  var lines: [ReportLine] { ReportLine.all(in: output) }

  var summary: ReportLine.Summary? { lines.last?.summary }

  /// The JSON object on standard output.
  var object: [String: Any] {
    get throws {
      try #require(
        try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any], "\(error)")
    }
  }
}
