import Foundation

/// Python with the readers of the formats that m2fp writes (`.build/test-python` in the Makefile).
package enum TestPython {
  package struct Failed: Error, CustomStringConvertible {
    package let description: String
  }

  /// The interpreter's path, made by whichever test comes first.
  package static var path: String {
    get async throws { try await made.value }
  }

  private static let made = Task {
    let package = Fixtures.package.path
    let make = try await ChildProcess.run("make", ["-s", "-C", package, ".build/test-python"])
    guard make.code == 0 else {
      throw Failed(description: "make setup-test installs what reads the formats: \(make.error)")
    }
    return package + "/.build/test-python/bin/python"
  }

  /// Runs a script.
  ///
  /// - Returns: What it printed.
  /// - Throws: ``Failed`` with its traceback.
  package static func run(_ script: String, _ arguments: [String]) async throws -> String {
    let result = try await ChildProcess.run(path, ["-c", script] + arguments)
    guard result.code == 0 else { throw Failed(description: result.error) }
    return result.output
  }
}
