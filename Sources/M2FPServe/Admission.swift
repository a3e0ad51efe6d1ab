/// Why a photo is not taken on.
package enum Rejection: Error, Equatable {
  /// The network is not loaded yet.
  case starting
  /// The service comes to its end.
  case draining
  case tooLarge(limit: Int)
  /// Other photos of the same client are waiting.
  case client(retryAfter: Int)
  /// As many photos wait as may.
  case queue(retryAfter: Int)
  /// The photos that are in memory leave no room for it.
  case bytes(retryAfter: Int)
  /// It would not be done in time.
  case deadline(retryAfter: Int)

  /// Seconds after which the same photo has a chance; nil where there is none.
  package var retryAfter: Int? {
    switch self {
    case .starting: 2
    case .draining: 5
    case .tooLarge: nil
    case .client(let seconds), .queue(let seconds), .bytes(let seconds), .deadline(let seconds):
      seconds
    }
  }

  /// Its name in metrics.
  package var name: String {
    switch self {
    case .starting: "starting"
    case .draining: "draining"
    case .tooLarge: "size"
    case .client: "client"
    case .queue: "queue"
    case .bytes: "bytes"
    case .deadline: "deadline"
    }
  }

  package static let names = [
    "starting", "draining", "size", "client", "queue", "bytes", "deadline",
  ]
}

/// The place of a photo that was taken on. Bytes are given back before the place, or with it.
package struct Ticket: Sendable, Equatable {
  package let client: String
  package internal(set) var bytes: Int
}

/// Decides which photos are taken on, before their bytes are read.
package struct Admission: Sendable {
  var limits: ServiceLimits
  package private(set) var bytes = 0
  /// Photos that have a place: being received, waiting or in hand.
  package private(set) var photos = 0
  private var clients: [String: Int] = [:]
  /// Until when those that were sent away have been promised the workers.
  private var promised = 0.0

  /// Nobody is told to wait longer.
  private static let longestWait = 60.0
  /// Seconds between two who are told when to come, for each that a place takes to become free: others
  /// come, too, and photos do not take equally long.
  private static let spacing = 1.25

  package init(_ limits: ServiceLimits) {
    self.limits = limits
  }

  /// Takes a photo on, or says why not.
  ///
  /// - Parameters:
  ///   - client: Whose it is.
  ///   - size: Its bytes; nil where that is not known, which counts as the most that they may be.
  ///   - deadline: Seconds that it may take.
  ///   - estimator: How long the others take.
  ///   - now: Seconds.
  /// - Returns: Its place.
  /// - Throws: ``Rejection``.
  package mutating func admit(
    client: String, size: Int?, deadline: Double, estimator: Estimator, now: Double
  ) throws(Rejection) -> Ticket {
    let size = size ?? limits.photoBytes
    guard size <= limits.photoBytes else { throw .tooLarge(limit: limits.photoBytes) }
    if limits.perClient > 0, clients[client, default: 0] >= limits.perClient {
      // One of its own photos is done by then, if all take turns.
      throw .client(retryAfter: Self.seconds(estimator.wait(behind: photos, workers: limits.jobs)))
    }
    let wait = estimator.wait(behind: photos, workers: limits.jobs)
    if photos >= limits.queue + limits.jobs {
      throw .queue(retryAfter: retryAfter(estimator, now))
    }
    if bytes + size > limits.queueBytes {
      throw .bytes(retryAfter: retryAfter(estimator, now))
    }
    // One that nobody is before is tried, however long others took: otherwise a mean above the deadline would
    // stay there for ever.
    let whole = wait + (estimator.mean ?? 0)
    if photos > 0, whole > deadline {
      throw .deadline(retryAfter: Self.seconds(min(whole - deadline, wait)))
    }
    photos += 1
    clients[client, default: 0] += 1
    bytes += size
    return Ticket(client: client, bytes: size)
  }

  /// When half of those that wait have gone; and behind those who have been told so before, who
  /// would otherwise all come at once, and most of them in vain.
  private mutating func retryAfter(_ estimator: Estimator, _ now: Double) -> Int {
    let waiting = max(1, photos - limits.jobs)
    let soonest = now + estimator.wait(behind: waiting, workers: limits.jobs) / 2
    let slot = max(soonest, promised)
    let wait = min(slot - now, Self.longestWait)
    promised = min(
      slot + Self.spacing * estimator.wait(behind: 1, workers: limits.jobs),
      now + Self.longestWait)
    return Self.seconds(wait)
  }

  private static func seconds(_ wait: Double) -> Int {
    max(1, Int(min(wait, longestWait).rounded(.up)))
  }

  /// Gives back bytes: all of a photo's, or those that were reserved beyond its size.
  package mutating func shrink(_ ticket: inout Ticket, to size: Int) {
    precondition(size <= ticket.bytes, "a photo is no larger than was reserved")
    bytes -= ticket.bytes - size
    ticket.bytes = size
  }

  package mutating func release(bytes count: Int) { bytes -= count }

  /// Gives back the place, and what it holds still.
  package mutating func release(_ ticket: Ticket) {
    bytes -= ticket.bytes
    photos -= 1
    let count = clients[ticket.client, default: 1] - 1
    clients[ticket.client] = count > 0 ? count : nil
  }
}
