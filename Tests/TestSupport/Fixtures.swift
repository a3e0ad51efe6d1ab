import Foundation
import SystemPackage

/// The files in Tests/Fixtures.
package enum Fixtures {
  /// The root of the package.
  package static let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  package static func url(_ name: String) -> URL {
    package.appendingPathComponent("Tests/Fixtures/" + name)
  }

  package static func path(_ name: String) -> String { url(name).path }

  package static func filePath(_ name: String) -> FilePath { FilePath(path(name)) }

  package static func data(_ name: String) throws -> Data { try Data(contentsOf: url(name)) }
}
