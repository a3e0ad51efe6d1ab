import Foundation
import M2FPCore
import M2FPImageIO
import Testing

/// A folder with photos, and runs of the binary over them: what chaos and soak have in common.
///
/// How long a trial is, and what is random about it, comes from the environment: short in
/// `make test`, long in `make chaos` and `make soak`.
final class Trial {
  static let environment = ProcessInfo.processInfo.environment
  static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path
  static let model = environment["TRIAL_MODEL"] ?? fixtures + "/models/colour-multi.pt"
  static let shippedModel = URL(fileURLWithPath: fixtures).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Models/m2fp-tiny.pt").path
  static let binary =
    environment["TRIAL_BINARY"].map { URL(fileURLWithPath: $0) } ?? EndToEndTests.binary

  static func number(_ name: String, default number: Int) -> Int {
    environment[name].flatMap { Int($0) } ?? number
  }

  let folder: String

  init() throws {
    folder = NSTemporaryDirectory() + "m2fp-trial-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
  }

  func path(_ name: String) -> String { folder + "/" + name }

  func write(_ name: String, _ bytes: some Sequence<UInt8>) throws {
    let url = URL(fileURLWithPath: path(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path(name))
  }

  // MARK: - Photos

  /// Stripes in the colours that the fixture model takes for parts: each photo another picture.
  static func photo(width: Int, height: Int, number: Int) throws -> [UInt8] {
    let colours: [[UInt8]] = [
      [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 0, 255],
      [0, 255, 255], [255, 255, 255],
    ]
    let stripe = max(1, width / 6)
    func row(_ shift: Int) -> [UInt8] {
      (0..<width).flatMap { x -> [UInt8] in colours[(x / stripe + shift) % 8] }
    }
    let bands = [row(number), row(number + 1 + number % 5)]
    let pixels = (0..<height).flatMap { y -> [UInt8] in bands[y * 2 / height] }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    let encoded = number % 2 == 0 ? try PNGEncoder.rgb(image) : try JPEGEncoder.rgb(image)
    return encoded.withUnsafeBytes { Array($0) }
  }

  static func name(_ number: Int) -> String {
    let digits = String(number)
    return "\(number % 3)/" + String(repeating: "0", count: 5 - digits.count) + digits
      + (number % 2 == 0 ? ".png" : ".jpg")
  }

  // MARK: - Trees

  /// The contents of all files below a folder, by relative path; temporary and lock files left out.
  func tree(_ name: String) -> [String: Data] {
    var tree: [String: Data] = [:]
    for file in files(name) {
      tree[file] = FileManager.default.contents(atPath: path(name + "/" + file))
    }
    return tree
  }

  /// The relative paths of all files below a folder.
  func files(_ name: String, hidden: Bool = false) -> [String] {
    guard let walk = FileManager.default.enumerator(atPath: path(name)) else { return [] }
    var files: [String] = []
    for case let file as String in walk {
      let isHidden = file.split(separator: "/").last?.hasPrefix(".m2fp") ?? false
      if walk.fileAttributes?[.type] as? FileAttributeType == .typeRegular, hidden || !isHidden {
        files.append(file)
      }
    }
    return files.sorted()
  }

  /// Why a file that lies in an output folder is not whole; nil if it is, or is gone.
  func damage(_ file: String) -> String? {
    guard let data = FileManager.default.contents(atPath: file) else { return nil }
    do {
      if file.hasSuffix(".json") {
        _ = try JSONSerialization.jsonObject(with: data)
      } else {
        _ = try ImageDecoder.decode([UInt8](data))
      }
      return nil
    } catch {
      return "\(file): \(error)"
    }
  }

  /// The inputs, by their outputs' common start, whose sidecars are there; each with what tells
  /// whether the sidecar was written anew.
  ///
  /// - Parameters:
  ///   - name: The output folder.
  ///   - damages: What is wrong with the tree: files that are not whole, outputs that a sidecar
  ///     promises and that are missing.
  /// - Returns: By stem, the sidecar's inode and times.
  func finished(_ name: String, damages: inout [String]) -> [String: String] {
    var finished: [String: String] = [:]
    for file in files(name) {
      let path = path(name + "/" + file)
      if let damage = damage(path) { damages.append(damage) }
      guard file.hasSuffix(".m2fp.json") else { continue }
      let sidecar =
        FileManager.default.contents(atPath: path).flatMap {
          try? JSONSerialization.jsonObject(with: $0) as? [String: Any]
        } ?? [:]
      for output in sidecar["outputs"] as? [[String: Any]] ?? [] {
        let below = URL(fileURLWithPath: path).deletingLastPathComponent()
          .appendingPathComponent(output["path"] as? String ?? "?").path
        if Self.size(below) != output["size"] as? Int {
          damages.append("\(below): not as promised")
        }
      }
      var status = stat()
      stat(path, &status)
      finished[String(file.dropLast(".m2fp.json".count))] = "\(status.st_ino) \(status.st_ctim)"
    }
    return finished
  }

  static func size(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : nil
  }

  // MARK: - Runs

  func start(_ arguments: String..., by launcher: [String] = []) throws -> Run {
    try Run(launcher + [Self.binary.path] + arguments, in: folder)
  }

  /// Runs the binary to its end.
  @discardableResult
  func run(_ arguments: String...) throws -> Run {
    try run(arguments)
  }

  /// Runs the binary to its end.
  @discardableResult
  func run(_ arguments: [String]) throws -> Run {
    let run = try Run([Self.binary.path] + arguments, in: folder)
    run.wait()
    return run
  }

  /// A line of `--json`.
  struct Line: Decodable {
    var file: String?
    var status: String?
    var stage: String?
    var code: String?
    var message: String?
    var seconds: [String: Double]?
    var summary: Summary?
  }

  struct Summary: Decodable {
    let peakMemory: Int

    enum CodingKeys: String, CodingKey {
      case peakMemory = "peak_memory"
    }
  }

  /// One process.
  final class Run {
    private let process = Process()
    private let output: String
    private let errors: String

    init(_ command: [String], in folder: String) throws {
      output = folder + "/" + UUID().uuidString + ".out"
      errors = output + ".err"
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = command
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      process.standardInput = FileHandle.nullDevice
      for file in [output, errors] {
        _ = FileManager.default.createFile(atPath: file, contents: nil)
      }
      process.standardOutput = FileHandle(forWritingAtPath: output)
      process.standardError = FileHandle(forWritingAtPath: errors)
      try process.run()
    }

    deinit {
      for file in [output, errors] { unlink(file) }
    }

    var isRunning: Bool { process.isRunning }

    func kill() { _ = Foundation.kill(process.processIdentifier, SIGKILL) }

    func wait() { process.waitUntilExit() }

    /// The exit code; nil if a signal ended it.
    var code: Int32? {
      process.terminationReason == .exit ? process.terminationStatus : nil
    }

    var error: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

    /// The lines on standard output so far that are whole.
    var lines: [Line] {
      let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
      guard let end = text.lastIndex(of: "\n") else { return [] }
      return text[..<end].split(separator: "\n").compactMap {
        try? JSONDecoder().decode(Line.self, from: Data($0.utf8))
      }
    }
  }
}

/// SplitMix64: the same seed gives the same trial.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int) {
    state = UInt64(truncatingIfNeeded: seed)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}
