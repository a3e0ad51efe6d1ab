import Foundation
import M2FPCore
import M2FPImageIO

/// A folder that lives as long as its value.
final class WorkingFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "m2fp-end-to-end-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Runs of the binary in a folder of photos, with the fixture model that labels pixels by their
/// colour.
protocol EndToEnd {
  var place: WorkingFolder { get }
}

/// What a process left behind.
struct Finished {
  let code: Int32
  let output: String
  let error: String

  /// The JSON objects on standard output.
  var lines: [[String: Any]] {
    output.split(separator: "\n").compactMap {
      try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
  }

  /// A count of the JSON summary.
  func total(_ name: String) -> Int? {
    (lines.last?["summary"] as? [String: Any])?[name] as? Int
  }
}

/// A process that runs, and what it writes meanwhile.
struct Running {
  let process: Process
  private let output = WorkingFile()
  private let error = WorkingFile()

  fileprivate init(
    _ executable: URL, _ arguments: [String], folder: String, environment: [String: String]
  ) throws {
    process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardOutput = output.handle
    process.standardError = error.handle
    process.standardInput = FileHandle.nullDevice
    try process.run()
  }

  /// Waits for its end.
  func finish() throws -> Finished {
    process.waitUntilExit()
    return Finished(
      code: process.terminationReason == .exit ? process.terminationStatus : -1,
      output: try output.text, error: try error.text)
  }
}

/// A file for a process to write to.
private final class WorkingFile {
  private let path = NSTemporaryDirectory() + "m2fp-end-to-end-" + UUID().uuidString
  let handle: FileHandle?

  init() {
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    handle = FileHandle(forWritingAtPath: path)
  }

  deinit { unlink(path) }

  var text: String {
    get throws { try String(contentsOfFile: path, encoding: .utf8) }
  }
}

extension EndToEnd {
  static var tests: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  }
  static var fixtures: String { tests.appendingPathComponent("Fixtures").path }
  static var model: String { fixtures + "/models/colour-multi.pt" }

  /// The binary that the package manager built beside the tests.
  static var binary: URL {
    var url = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
    while url.path != "/" {
      url.deleteLastPathComponent()
      let binary = url.appendingPathComponent("m2fp")
      if FileManager.default.isExecutableFile(atPath: binary.path), !binary.hasDirectoryPath {
        return binary
      }
    }
    // Run through the toolchain's own test runner.
    return tests.deletingLastPathComponent().appendingPathComponent(".build/debug/m2fp")
  }

  var folder: String { place.path }

  func run(
    _ arguments: String..., environment: [String: String] = [:], binary: URL = Self.binary
  ) throws -> Finished {
    try run(arguments, environment: environment, binary: binary)
  }

  func run(
    _ arguments: [String], environment: [String: String] = [:], binary: URL = Self.binary
  ) throws -> Finished {
    try Running(binary, arguments, folder: folder, environment: environment).finish()
  }

  /// Runs `parse` with the fixture model.
  func parse(_ arguments: String..., environment: [String: String] = [:]) throws -> Finished {
    try startParse(arguments, environment: environment).finish()
  }

  func startParse(_ arguments: [String], environment: [String: String] = [:]) throws -> Running {
    try Running(
      Self.binary, ["parse", "--model", Self.model] + arguments, folder: folder,
      environment: environment)
  }

  /// Runs a shell script; `$M2FP` and `$MODEL` are the binary and the fixture model.
  func shell(_ script: String) throws -> Finished {
    try Running(
      URL(fileURLWithPath: "/bin/sh"), ["-euc", script], folder: folder,
      environment: ["M2FP": Self.binary.path, "MODEL": Self.model]
    ).finish()
  }

  /// Left half hair (blue), right half face (yellow), on black.
  func addPhoto(_ name: String, width: Int = 120, height: Int = 100) throws {
    var pixels = [UInt8](repeating: 0, count: width * height * 3)
    for y in 10..<(height - 10) {
      for x in 10..<(width - 10) {
        let pixel = (y * width + x) * 3
        if x < width / 2 {
          pixels[pixel + 2] = 255
        } else {
          pixels[pixel] = 255
          pixels[pixel + 1] = 255
        }
      }
    }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    try write(name, try PNGEncoder.rgb(image).withUnsafeBytes { Data($0) })
  }

  /// Writes a file, and the folders above it.
  func write(_ name: String, _ contents: Data) throws {
    try FileManager.default.createDirectory(
      at: url(name).deletingLastPathComponent(), withIntermediateDirectories: true)
    try contents.write(to: url(name))
  }

  func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + name)
  }

  func url(_ name: String) -> URL { URL(fileURLWithPath: folder + "/" + name) }

  /// The relative paths and contents of all files below `name`, hidden ones, too.
  func tree(_ name: String) throws -> [String: Data] {
    var tree: [String: Data] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder + "/" + name) {
      let file = url(name + "/" + path)
      if !file.hasDirectoryPath { tree[path] = try Data(contentsOf: file) }
    }
    return tree
  }
}
