import Foundation
import M2FPCore
import M2FPImageIO
import TestSupport

/// The files in Tests/Fixtures/images, made by make_fixtures.py.
extension Fixtures {
  static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try data("images/" + name)) }

  /// The images with a reference, by name.
  static let good: [String] = names(in: url("images")).filter { $0.hasSuffix(".rgb") }
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
