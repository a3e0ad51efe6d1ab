import CLibHiredis
import Dispatch
import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults

/// Entries of a cache on a Redis server, which many machines share.
///
/// A server that is away fails nothing: there is no entry then, and for some seconds nobody waits for
/// it again.
final class RedisStorage: CacheStorage {
  private let address: RedisAddress
  private let timeToLive: Duration?
  /// Those that no thread uses at the moment.
  private let idle = Locked<[Connection]>([])
  /// Until when the server is not asked again, and why: uptime in nanoseconds.
  private let away = Locked<(until: UInt64, failure: FileFailure)?>(nil)

  private static let patience: UInt64 = 5_000_000_000
  /// Redis's own limit of a value's bytes.
  private static let largest = 512 << 20

  /// - Parameters:
  ///   - address: The server, and the database in it.
  ///   - timeToLive: How long an entry is kept that nobody uses; nil for as long as the server likes.
  init(_ address: RedisAddress, timeToLive: Duration?) {
    self.address = address
    self.timeToLive = timeToLive
  }

  func read(_ key: String) -> StoredEntry {
    do throws(FileFailure) {
      let found = try ask { connection in connection.ask([Array("GET".utf8), Self.name(key)]) }
      switch found {
      case .bytes(let bytes): return .found(bytes, nil)
      case .nothing: return .absent
      }
    } catch {
      return .unreachable(error)
    }
  }

  func noteUse(_ key: String, _ file: Descriptor?) {
    guard let seconds else { return }
    _ = try? ask { connection in
      connection.ask([Array("EXPIRE".utf8), Self.name(key), seconds])
    }
  }

  func remove(_ key: String) {
    _ = try? ask { connection in connection.ask([Array("DEL".utf8), Self.name(key)]) }
  }

  func write(_ bytes: [UInt8], _ key: String, access: FileAccess) throws(FileFailure) {
    guard bytes.count <= Self.largest else { return }
    let expiry = seconds.map { [Array("EX".utf8), $0] } ?? []
    _ = try ask { connection in
      connection.ask([Array("SET".utf8), Self.name(key), bytes] + expiry)
    }
  }

  /// The server sees to its own limit.
  func pruneStored() {}

  private static func name(_ key: String) -> [UInt8] { Array("m2fp:v1:\(key)".utf8) }

  private var seconds: [UInt8]? {
    timeToLive.map { Array(String(max(1, $0.nanoseconds / 1_000_000_000)).utf8) }
  }

  /// Asks the server on a connection of this thread's own.
  private func ask(
    _ body: (Connection) -> Result<Connection.Answer, Connection.Problem>
  ) throws(FileFailure) -> Connection.Answer {
    if let away = away.withLock({ $0 }), DispatchTime.now().uptimeNanoseconds < away.until {
      throw away.failure
    }
    // One that was idle may have been closed by the server meanwhile; a new one has not.
    if let connection = idle.withLock({ $0.popLast() }) {
      switch body(connection) {
      case .success(let answer): return put(connection, back: answer)
      case .failure(.refused(let reason)): throw note(reason, connection)
      case .failure(.lost): idle.withLock { $0.removeAll() }
      }
    }
    switch Connection.open(address) {
    case .failure(let problem): throw note(problem.reason, nil)
    case .success(let connection):
      switch body(connection) {
      case .success(let answer): return put(connection, back: answer)
      case .failure(.refused(let reason)): throw note(reason, connection)
      case .failure(.lost(let reason)): throw note(reason, nil)
      }
    }
  }

  private func put(_ connection: Connection, back answer: Connection.Answer) -> Connection.Answer {
    idle.withLock { $0.append(connection) }
    return answer
  }

  // The connection is given back where it is sound: the server has only refused something.
  private func note(_ reason: String, _ connection: Connection?) -> FileFailure {
    let failure = FileFailure(
      stage: .write, code: .outputNotWritable, message: "\(address): \(reason)")
    if let connection {
      idle.withLock { $0.append(connection) }
    } else {
      away.withLock { $0 = (DispatchTime.now().uptimeNanoseconds + Self.patience, failure) }
    }
    return failure
  }
}

/// A connection to a Redis server. One thread at a time uses it.
private final class Connection: @unchecked Sendable {
  enum Answer {
    case bytes([UInt8])
    case nothing
  }

  enum Problem: Error {
    /// The connection is of no more use.
    case lost(String)
    /// The server answers that it will not.
    case refused(String)

    var reason: String {
      switch self {
      case .lost(let reason), .refused(let reason): reason
      }
    }
  }

  private let context: UnsafeMutablePointer<redisContext>

  private init(_ context: UnsafeMutablePointer<redisContext>) { self.context = context }

  deinit { redisFree(context) }

  static func open(_ address: RedisAddress) -> Result<Connection, Problem> {
    let context = redisConnectWithTimeout(
      address.host, Int32(address.port), timeval(tv_sec: 1, tv_usec: 0))
    guard let context else { return .failure(.lost("no memory for a connection")) }
    let connection = Connection(context)
    guard context.pointee.err == 0 else { return .failure(.lost(connection.reason)) }
    redisSetTimeout(context, timeval(tv_sec: 2, tv_usec: 0))
    var greetings: [[String]] = []
    if let password = address.password {
      greetings.append(["AUTH"] + [address.user, password].compactMap(\.self))
    }
    if address.database > 0 { greetings.append(["SELECT", String(address.database)]) }
    for greeting in greetings {
      if case .failure(let problem) = connection.ask(greeting.map { Array($0.utf8) }) {
        return .failure(.lost(problem.reason))
      }
    }
    return .success(connection)
  }

  private var reason: String {
    withUnsafeBytes(of: context.pointee.errstr) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// Sends a command and waits for its answer, at most as long as the connection's timeout.
  func ask(_ words: [[UInt8]]) -> Result<Answer, Problem> {
    let lengths = words.map(\.count)
    // One block for all words: hiredis takes an address for each.
    let bytes = words.flatMap(\.self)
    let reply = bytes.withUnsafeBytes { bytes -> UnsafeMutableRawPointer? in
      let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      var offset = 0
      var addresses = lengths.map { length in
        defer { offset += length }
        return start?.advanced(by: offset)
      }
      return redisCommandArgv(context, Int32(words.count), &addresses, lengths)
    }
    guard let reply else { return .failure(.lost(reason)) }
    defer { freeReplyObject(reply) }
    let answer = reply.assumingMemoryBound(to: redisReply.self).pointee
    let text = UnsafeRawBufferPointer(start: answer.str, count: answer.str == nil ? 0 : answer.len)
    switch answer.type {
    case REDIS_REPLY_STRING: return .success(.bytes(Array(text)))
    case REDIS_REPLY_ERROR: return .failure(.refused(String(decoding: text, as: UTF8.self)))
    default: return .success(.nothing)
    }
  }
}

extension ResultCache {
  /// A cache on a Redis server; that is asked only when there is a photo.
  ///
  /// - Parameters:
  ///   - server: Which, and the database in it.
  ///   - timeToLive: How long a result is kept that nobody uses; nil for as long as the server likes.
  public convenience init(_ server: RedisAddress, timeToLive: Duration?) {
    self.init(RedisStorage(server, timeToLive: timeToLive))
  }
}
