import FoundationEssentials
import M2FPCore

/// What became of a photo.
package enum JobOutcome: Sendable {
  /// How its result was come by.
  package enum Source: String, Sendable, CaseIterable {
    /// The network has seen it.
    case parsed = "miss"
    /// It was in the cache.
    case cached = "hit"
    /// The same photo was in hand already.
    case joined
  }

  case done(PhotoResult, Source)
  case failed(FileFailure)
  /// Not done by its deadline.
  case expired
  /// Nobody wants it any more.
  case cancelled
  /// The service came to its end first.
  case refused(Rejection)
}

/// A client's wish to have a photo parsed.
///
/// Several may be for the same photo, which is parsed once for all (``Flight``).
package final class Job: Sendable {
  package enum State: String, Sendable, CaseIterable {
    case queued, running, done, failed, cancelled, expired
  }

  /// `j_` and 128 random bits in hexadecimal: not to be guessed.
  package let id: String
  /// Who alone may ask for it; nil for anybody who knows the id.
  package let owner: String?
  /// Whether it goes on, and its result is kept, when nobody waits for it.
  package let isKept: Bool
  package let submitted: Date
  /// The caller's own.
  package let note: (any Sendable)?
  let start: Double
  let deadline: Double

  // All that follows is touched only under the service's lock.

  nonisolated(unsafe) var ticket: Ticket?
  nonisolated(unsafe) var flight: Flight?
  nonisolated(unsafe) var outcome: JobOutcome?
  /// When the network took it up, and when it was done.
  nonisolated(unsafe) var taken: Double?
  nonisolated(unsafe) var finished: Double?
  nonisolated(unsafe) var wasFetched = false
  nonisolated(unsafe) var waiting: [CheckedContinuation<JobOutcome, Never>] = []
  nonisolated(unsafe) var watching: [(until: Double, CheckedContinuation<Void, Never>)] = []

  init(
    owner: String?, isKept: Bool, start: Double, deadline: Double, ticket: Ticket,
    note: (any Sendable)?
  ) {
    id =
      "j_"
      + (0..<2).map { _ in
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
      }.joined()
    self.owner = owner
    self.isKept = isKept
    self.start = start
    self.deadline = deadline
    self.ticket = ticket
    self.note = note
    submitted = Date()
  }

  var state: State {
    switch outcome {
    case .done: .done
    case .failed, .refused: .failed
    case .expired: .expired
    case .cancelled: .cancelled
    case nil: flight?.state == .running ? .running : .queued
    }
  }
}

/// What is known of a job at one moment.
package struct JobStatus: Sendable {
  package let id: String
  package let state: Job.State
  package let submitted: Date
  /// How many are before it, counted from 1; nil unless it waits for a worker.
  package let position: Int?
  /// Seconds until it is done, as things stand; nil where it is, or nothing is known.
  package let estimate: Double?
  /// Seconds that it waited.
  package let queued: Double
  /// Seconds since a worker has taken it up, or that it took.
  package let running: Double?
  package let outcome: JobOutcome?
  /// Seconds until a finished one is forgotten.
  package let expires: Double?
}

/// One photo on its way through the network, for one job or several.
final class Flight: Sendable {
  enum State { case waiting, running, over }

  let key: String
  let digest: String
  let request: PhotoRequest

  // All that follows is touched only under the service's lock.

  nonisolated(unsafe) var bytes: [UInt8]
  /// Bytes that are reserved for it.
  nonisolated(unsafe) var reserved: Int
  nonisolated(unsafe) var state = State.waiting
  nonisolated(unsafe) var jobs: [Job] = []
  /// There while it is being stored.
  nonisolated(unsafe) var result: PhotoResult?

  init(key: String, digest: String, request: PhotoRequest, bytes: [UInt8], reserved: Int) {
    self.key = key
    self.digest = digest
    self.request = request
    self.bytes = bytes
    self.reserved = reserved
  }
}
