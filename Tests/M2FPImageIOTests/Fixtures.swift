import Foundation
import M2FPCore
import M2FPImageIO

/// The files in Tests/Fixtures/images, made by make_fixtures.py.
enum Fixtures {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/images")

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: name)))
  }

  /// The images with a reference, by name.
  static let good: [String] = names(in: folder).filter { $0.hasSuffix(".rgb") }
    .map { String($0.dropLast(4)) }

  private static func names(in folder: URL) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
  }

  /// The failure that decoding ends in, nil if it succeeds.
  static func failure(
    decoding bytes: [UInt8], limits: ImageLimits = ImageLimits()
  ) -> FileFailure? {
    do {
      _ = try ImageDecoder.decode(bytes, limits: limits)
      return nil
    } catch {
      return error
    }
  }
}

/// A 64-bit generator (SplitMix64) for reproducible tests.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
