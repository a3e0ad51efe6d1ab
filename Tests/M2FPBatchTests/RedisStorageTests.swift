import Foundation
import M2FP
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage
import TestSupport
import Testing

@testable import M2FPBatch

/// Debian's Redis, on a port of loopback that was free.
private final class RedisServer: Sendable {
  let port: Int
  private let process: ChildProcess
  private let folder: TemporaryFolder

  init(password: String? = nil) async throws {
    folder = try TemporaryFolder()
    port = try Self.freePort()
    process = try ChildProcess(
      "redis-server",
      ["--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--dir", folder.path]
        + (password.map { ["--requirepass", $0] } ?? []))
    try await process.wait { process.output.contains("Ready to accept connections") }
  }

  deinit { process.send(SIGKILL) }

  func cache(timeToLive: Duration? = nil, database: Int = 0) throws -> ResultCache {
    ResultCache(
      try #require(RedisAddress("redis://127.0.0.1:\(port)/\(database)")), timeToLive: timeToLive)
  }

  /// What Redis's own client prints.
  func ask(_ words: String...) async throws -> [String] {
    let finished = try await ChildProcess.run("redis-cli", ["-p", "\(port)"] + words)
    return finished.output.split(separator: "\n").map(String.init)
  }

  func stop() async throws {
    process.send(SIGKILL)
    _ = try await process.finish()
  }

  static func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutableBytes(of: &address) { bytes in
      let address = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
      return bind(descriptor, address, length) == 0
        && getsockname(descriptor, address, &length) == 0
    }
    try #require(isBound)
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

struct RedisStorageTests: BatchFixture {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func cached(_ cache: ResultCache) -> RunOptions {
    var options = options()
    options.cache = cache
    options.parsing.outputs.personMap = true
    return options
  }

  private static let noSession: SessionFactory = { () throws(RunFailure) in
    throw RunFailure(.internal, "no session is needed")
  }

  private func removeOutputs() throws {
    for file in folder.files() where file.contains(".m2fp") { try? folder.remove(file) }
  }

  @Test func issue18WhatOneMachineHasParsedAnotherTakes() async throws {
    let server = try await RedisServer()
    try addImage("a.png")
    try await run(cached(server.cache()))
    let tree = try folder.tree()
    try removeOutputs()
    let cache = try server.cache()
    #expect(try await run(cached(cache), session: Self.noSession).summary.cached == 1)
    #expect(try folder.tree() == tree)
    #expect(cache.problem == nil)
    #expect(try await run(cached(server.cache(database: 1))).summary.parsed == 0, "it is current")
    try removeOutputs()
    #expect(
      try await run(cached(server.cache(database: 1))).summary.parsed == 1, "another database")
  }

  @Test func issue18EntriesAreKeptForTheirTime() async throws {
    let server = try await RedisServer()
    try addImage("a.png")
    try await run(cached(server.cache(timeToLive: .seconds(1000))))
    let key = try #require(await server.ask("KEYS", "*").first)
    #expect(key.hasPrefix("m2fp:v1:"))
    let fresh = try #require(Int(try await server.ask("TTL", key)[0]))
    #expect((900...1000).contains(fresh))
    // Whoever uses one renews it.
    try removeOutputs()
    try await run(cached(server.cache(timeToLive: .seconds(5000))), session: Self.noSession)
    #expect(try await (4900...5000).contains(#require(Int(server.ask("TTL", key)[0]))))
  }

  @Test func issue18ADamagedEntryIsDroppedAndMadeAnew() async throws {
    let server = try await RedisServer()
    try addImage("a.png")
    try await run(cached(server.cache()))
    let tree = try folder.tree()
    let key = try #require(await server.ask("KEYS", "*").first)
    _ = try await server.ask("SETRANGE", key, "5000", "x")
    try removeOutputs()
    let (summary, outcomes) = try await run(cached(server.cache()))
    #expect(summary.parsed == 1 && outcomes[0].warnings.count == 1)
    #expect(try folder.tree() == tree)
    try removeOutputs()
    #expect(try await run(cached(server.cache()), session: Self.noSession).summary.cached == 1)
  }

  @Test func issue18AServerThatIsAwayFailsNothing() async throws {
    let server = try await RedisServer()
    for index in 0..<8 { try addImage("photo-number\(String(repeating: "a", count: index)).png") }
    let cache = try server.cache()
    // The connection that is idle by then does not outlive the server.
    _ = cache.fetch("none", for: .standard)
    try await server.stop()
    let start = ContinuousClock.now
    let (summary, _) = try await run(cached(cache))
    #expect(summary.parsed == 8 && summary.failed == 0)
    #expect(ContinuousClock.now - start < .seconds(30), "nobody waits for it at each photo")
    #expect(try #require(cache.problem).message.contains("Connection refused"))
  }

  @Test func issue18APasswordIsGivenAndNeverTold() async throws {
    let server = try await RedisServer(password: "secret")
    try addImage("a.png")
    let address = try #require(RedisAddress("redis://:secret@127.0.0.1:\(server.port)/0"))
    let cache = ResultCache(address, timeToLive: nil)
    try await run(cached(cache))
    #expect(cache.problem == nil)
    #expect(try await server.ask("-a", "secret", "DBSIZE") == ["1"])
    let without = try server.cache()
    try removeOutputs()
    #expect(try await run(cached(without)).summary.parsed == 1)
    #expect(try #require(without.problem).message.contains("NOAUTH"))
    #expect(!"\(address)".contains("secret"))
  }

  @Test(arguments: [
    ("redis://h", "h", 6379, 0), ("redis://h:1/15", "h", 1, 15), ("redis://[::1]:7/", "::1", 7, 0),
    ("redis://u:p@h/2", "h", 6379, 2),
  ])
  func issue18AddressesAreRead(_ text: String, _ host: String, _ port: Int, _ database: Int) throws
  {
    let address = try #require(RedisAddress(text))
    #expect(address.host == host && address.port == port && address.database == database)
  }

  @Test func issue18NamesAndPasswordsAreRead() throws {
    let both = try #require(RedisAddress("redis://u:p%40@h"))
    #expect(both.user == "u" && both.password == "p@")
    let one = try #require(RedisAddress("redis://p@h"))
    #expect(one.user == nil && one.password == "p")
  }

  @Test(arguments: [
    "", "h", "rediss://h", "redis://", "redis://h/x", "redis://h/1/2", "redis://h/-1",
    "redis://h:0", "redis://h:70000", "redis://h?x=1", "http://h", "redis://h%00.example",
  ])
  func issue18OtherTextsAreNone(_ text: String) { #expect(RedisAddress(text) == nil) }
}
