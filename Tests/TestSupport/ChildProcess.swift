import Foundation
import Synchronization

/// A process that a test runs. What it writes goes to files, so that it never waits for a reader;
/// who waits for its end holds no thread.
package final class ChildProcess: Sendable {
  /// What a process left behind.
  package struct Finished: Sendable {
    /// The exit code; nil if a signal ended it.
    package let code: Int32?
    /// The signal that ended it.
    package let signal: Int32?
    package let output: String
    package let error: String
  }

  package struct TimedOut: Error, CustomStringConvertible {
    package let description: String
  }

  private struct State {
    var end: (code: Int32?, signal: Int32?)?
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let identifier: pid_t
  private let command: String
  private let folder: TemporaryFolder
  private let state = SharedState()

  /// The process's handler keeps it, so that nobody need hold the process itself.
  private final class SharedState: Sendable {
    let mutex = Mutex(State())
  }

  /// Starts a process.
  ///
  /// - Parameters:
  ///   - executable: A path, or a name to look for in `PATH`.
  ///   - arguments: What follows it.
  ///   - current: The current folder; the test's own if nil.
  ///   - environment: What is added to the test's own.
  ///   - input: What standard input gives; it is empty otherwise.
  ///   - output: Where standard output goes in place of a file of its own.
  ///   - error: Where standard error goes in place of a file of its own.
  /// - Throws: What keeps it from being started.
  package init(
    _ executable: String, _ arguments: [String], in current: String? = nil,
    environment: [String: String] = [:], input: Data? = nil, output: FileHandle? = nil,
    error: FileHandle? = nil
  ) throws {
    let folder = try TemporaryFolder()
    func file(_ name: String, _ data: Data = Data()) throws -> URL {
      URL(fileURLWithPath: try folder.write(name, data))
    }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [executable] + arguments
    if let current { process.currentDirectoryURL = URL(fileURLWithPath: current) }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput =
      try input.map { try FileHandle(forReadingFrom: file("input", $0)) } ?? .nullDevice
    process.standardOutput = try output ?? FileHandle(forWritingTo: file("output"))
    process.standardError = try error ?? FileHandle(forWritingTo: file("error"))
    process.terminationHandler = { [state] process in
      let status = process.terminationStatus
      let waiting = state.mutex.withLock { state in
        state.end = process.terminationReason == .exit ? (status, nil) : (nil, status)
        defer { state.waiting = [] }
        return state.waiting
      }
      for continuation in waiting { continuation.resume() }
    }
    try process.run()
    identifier = process.processIdentifier
    command = ([executable] + arguments).joined(separator: " ")
    self.folder = folder
  }

  /// Runs a process to its end.
  package static func run(
    _ executable: String, _ arguments: [String], in folder: String? = nil,
    environment: [String: String] = [:], input: Data? = nil
  ) async throws -> Finished {
    try await ChildProcess(
      executable, arguments, in: folder, environment: environment, input: input
    ).finish()
  }

  package var isRunning: Bool { state.mutex.withLock { $0.end == nil } }

  /// What is on standard output so far.
  package var output: String { (try? folder.text("output")) ?? "" }

  /// What is on standard error so far.
  package var error: String { (try? folder.text("error")) ?? "" }

  package func send(_ signal: Int32) {
    // Not to whoever has its number next.
    state.mutex.withLock { if $0.end == nil { _ = kill(identifier, signal) } }
  }

  /// Waits for the end of the process, which is killed when `limit` has passed.
  ///
  /// - Throws: ``TimedOut``.
  package func finish(within limit: Duration = .seconds(600)) async throws -> Finished {
    let watchdog = Task {
      try await Task.sleep(for: limit)
      send(SIGKILL)
    }
    await withCheckedContinuation { continuation in
      let hasEnded = state.mutex.withLock {
        if $0.end == nil { $0.waiting.append(continuation) }
        return $0.end != nil
      }
      if hasEnded { continuation.resume() }
    }
    watchdog.cancel()
    if case .success = await watchdog.result {
      throw TimedOut(description: "\(command): not done within \(limit)\n\(error)")
    }
    let end = state.mutex.withLock { $0.end }
    return Finished(code: end?.code, signal: end?.signal, output: output, error: error)
  }

  /// Waits until a condition holds, or the process has ended.
  ///
  /// - Throws: ``TimedOut`` after `limit`.
  package func wait(
    within limit: Duration = .seconds(120), until condition: () throws -> Bool
  ) async throws {
    let end = ContinuousClock.now + limit
    while isRunning, try !condition() {
      guard ContinuousClock.now < end else {
        throw TimedOut(description: "\(command): nothing came within \(limit)\n\(error)")
      }
      // To look costs as much as what is waited for, where many tests look.
      try await Task.sleep(for: .milliseconds(10))
    }
  }
}
