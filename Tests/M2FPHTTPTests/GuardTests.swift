import Foundation
import HTTPTypes
import M2FPCore
import TestSupport
import Testing

@testable import M2FPHTTP

struct GuardTests {
  @Test(arguments: [
    "localhost:80", "127.0.0.1", "[::1]:8472", "192.168.1.2:8472", "Photos.Example",
  ])
  func ownNamesAreKnown(_ host: String) throws {
    var guardian = Guard()
    guardian.hosts = ["photos.example"]
    try guardian.check(host: host)
  }

  /// A stranger's page can make its own name point to this machine; its requests bear that name.
  @Test func aStrangersNameIsRefused() {
    #expect(throws: Problem.self) { try Guard().check(host: "evil.example:8472") }
    #expect(throws: Problem.self) { try Guard().check(host: nil) }
    var open = Guard()
    open.hosts = nil
    #expect(throws: Never.self) { try open.check(host: "evil.example") }
  }

  @Test func pagesOfOtherSitesMayNotAsk() throws {
    func fields(_ pairs: [(String, String)]) -> HTTPFields {
      var fields = HTTPFields()
      for (name, value) in pairs { fields.set(name, value) }
      return fields
    }
    var guardian = Guard()
    #expect(try guardian.check(origin: fields([]), host: "localhost:1") == nil)
    #expect(
      try guardian.check(origin: fields([("Origin", "http://localhost:1")]), host: "localhost:1")
        == nil)
    for pairs in [
      [("Origin", "http://evil.example")], [("Origin", "null")],
      [("Origin", "http://localhost:2")], [("Sec-Fetch-Site", "cross-site")],
    ] {
      #expect(throws: Problem.self) {
        try guardian.check(origin: fields(pairs), host: "localhost:1")
      }
    }
    guardian.origins = ["https://friend.example"]
    #expect(
      try guardian.check(
        origin: fields([("Origin", "https://friend.example"), ("Sec-Fetch-Site", "cross-site")]),
        host: "localhost:1") == "https://friend.example")
  }

  /// The last address that is no trusted proxy's; what stands before it a client can have made up.
  @Test(
    arguments: [
      ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"), ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
      ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
      ("10.0.0.1", ["nobody"], "10.0.0.1"), ("10.0.0.1", [], "10.0.0.1"),
      ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"), (nil, ["1.2.3.4"], "1.2.3.4"), (nil, [], nil),
    ] as [(String?, [String], String?)])
  func trustedProxiesTellWhomTheyAskFor(
    _ remote: String?, _ lines: [String], _ client: String?
  ) throws {
    var guardian = Guard()
    let name = try #require(HTTPField.Name("X-Forwarded-For"))
    let fields = HTTPFields(lines.map { HTTPField(name: name, value: $0) })
    #expect(guardian.client(remote, fields) == remote.flatMap { IPAddress($0) })
    guardian.proxies = [.socket, .network(try #require(IPNetwork("10.0.0.0/8")))]
    #expect(guardian.client(remote, fields) == client.flatMap { IPAddress($0) })
  }

  private static let token = "0123456789abcdef0123456789abcdef"

  private func list(_ text: String) throws(RunFailure) -> TokenList {
    try TokenList(text) { RunFailure(.usage, $0) }
  }

  @Test func tokensAreKnown() throws {
    let tokens = try list("# who\nann \(Self.token)\r\n\nbob\t\(Self.token)x\n")
    #expect(tokens.owner(of: Self.token) == "ann" && tokens.owner(of: Self.token + "x") == "bob")
    #expect(tokens.owner(of: "") == nil && tokens.owner(of: Self.token + "y") == nil)
  }

  /// The test vector "abc" of FIPS 180-4.
  @Test func tokensCanBeGivenAsDigests() throws {
    let tokens = try list(
      "ann sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(tokens.owner(of: "abc") == "ann" && tokens.owner(of: "abd") == nil)
  }

  @Test(arguments: ["", "ann", "ann short", "ann sha256:00", "ann a b"])
  func whatIsNoListOfTokensIsRefused(_ text: String) {
    #expect(throws: RunFailure.self) { try list(text) }
  }

  @Test func aFileThatOthersReadIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("tokens", "ann \(Self.token)\n".utf8)
    chmod(path, 0o644)
    #expect(throws: RunFailure.self) { try TokenList(folder.filePath("tokens")) }
    chmod(path, 0o640)
    #expect(throws: Never.self) { try TokenList(folder.filePath("tokens")) }
  }

  /// What is looked at is what is read, however fast two files change places.
  @Test func issue17AFileOfTokensIsCheckedAsItIsRead() async throws {
    let folder = try TemporaryFolder()
    for (name, mode) in [("closed", 0o600), ("open", 0o644)] as [(String, mode_t)] {
      chmod(try folder.write(name, "\(name) \(Self.token)\n".utf8), mode)
    }
    let isOver = Locked(false)
    async let swaps = onOwnThread {
      var count = 0
      while !isOver.withLock(\.self) {
        for name in ["closed", "open"] {
          link(folder.path(name), folder.path("next"))
          rename(folder.path("next"), folder.path("tokens"))
          count += 1
        }
      }
      return count
    }
    defer { isOver.withLock { $0 = true } }
    var (taken, refused) = (0, 0)
    while taken < 20 || refused < 20 {
      if let list = try? TokenList(folder.filePath("tokens")) {
        taken += 1
        try #require(list.owner(of: Self.token) == "closed")
      } else {
        refused += 1
      }
      try #require(taken + refused < 1_000_000)
    }
    isOver.withLock { $0 = true }
    #expect(try await swaps > 20)
  }
}
