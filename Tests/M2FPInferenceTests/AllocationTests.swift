import Foundation
import TestSupport
import Testing

/// Memory that runs out inside of the shim, at any place.
struct AllocationTests {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Runs a program and gives what it printed, errors included, and its status.
  private func run(_ path: String, _ arguments: [String]) throws -> (text: String, status: Int32) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (String(decoding: bytes, as: UTF8.self), process.terminationStatus)
  }

  /// Tests/Faults/allocations.cpp fails each allocation in turn.
  @Test func everyFailedAllocationIsAnError() throws {
    let program = NSTemporaryDirectory() + "m2fp-allocations-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: program) }
    let source = Self.tests.appendingPathComponent("Faults/allocations.cpp").path
    let headers = Self.tests.deletingLastPathComponent()
      .appendingPathComponent("Sources/CTorchInterface/include").path
    let compiled = try run(
      "/usr/bin/env",
      [
        "clang++", "-std=c++17", "-O1", "-rdynamic", "-I" + headers, source, "-ldl", "-o", program,
      ])
    try #require(compiled.status == 0, "\(compiled.text)")
    // Beside it lies the library, as m2fp looks for it.
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let library = URL(fileURLWithPath: executable).deletingLastPathComponent()
      .appendingPathComponent("libM2FPTorch.so").path
    let failed = try run(program, [library, Fixtures.path("models/layers.pt"), "2"])
    #expect(failed.status == 0, "\(failed.text)")
    // While it loads, and while it runs.
    let counts = failed.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    #expect(counts.count == 2 && counts.allSatisfy { $0 > 20 }, "\(failed.text)")
  }
}
