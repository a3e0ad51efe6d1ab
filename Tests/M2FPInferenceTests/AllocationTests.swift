import Foundation
import TestSupport
import Testing

/// What the shim takes of memory, and memory that runs out inside of it, at any place.
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

  /// Compiles Tests/Faults/allocations.cpp and runs it on the library that lies beside the tests, as
  /// m2fp looks for it.
  private func allocations(_ arguments: String...) throws -> (text: String, status: Int32) {
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
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let library = URL(fileURLWithPath: executable).deletingLastPathComponent()
      .appendingPathComponent("libM2FPTorch.so").path
    return try run(program, [library, Fixtures.path("models/layers.pt"), "2"] + arguments)
  }

  /// Fails each allocation in turn.
  @Test func issue17EveryFailedAllocationIsAnError() throws {
    let failed = try allocations()
    #expect(failed.status == 0, "\(failed.text)")
    // While it loads, and while it runs.
    let counts = failed.text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    #expect(counts.count == 2 && counts.allSatisfy { $0 > 20 }, "\(failed.text)")
  }

  /// Kernels of 64-bit Arm have pages of these sizes.
  @Test(arguments: [16_384, 65_536])
  func issue17BlocksAreWholePagesOfTheSizeThatTheSystemSays(_ page: Int) throws {
    let mapped = try allocations("\(page)")
    #expect(mapped.status == 0, "\(mapped.text)")
    let count = try #require(Int(mapped.text.trimmingCharacters(in: .whitespacesAndNewlines)))
    #expect(count > 0, "blocks are mapped at all")
  }
}
