import M2FPBatch
import M2FPCore

/// Counters of a service since it was started. The values of labels are few, and known beforehand.
package final class ServiceMetrics: Sendable {
  /// What became of a photo that was sent.
  package enum Photo: String, Sendable, CaseIterable {
    case parsed, cached, joined, failed, cancelled, expired, rejected
  }

  private struct State {
    var photos: [Photo: Int] = [:]
    var rejected: [String: Int] = [:]
    var cancelled: [String: Int] = [:]
    var failures: [[String]: Int] = [:]
    var cache: [String: Int] = [:]
    var requests: [[String]: Int] = [:]
    var durations: [String: Histogram] = [:]
    var stages: [String: Histogram] = [:]
    var replaced = 0
  }

  private let state = Locked(State())

  package init() {}

  package func count(_ photo: Photo) { state.withLock { $0.photos[photo, default: 0] += 1 } }

  package func count(_ rejection: Rejection) {
    state.withLock {
      $0.photos[.rejected, default: 0] += 1
      $0.rejected[rejection.name, default: 0] += 1
    }
  }

  package func count(cancelled state: String) {
    self.state.withLock { $0.cancelled[state, default: 0] += 1 }
  }

  package func count(_ failure: FileFailure) {
    state.withLock {
      $0.failures[[failure.stage.rawValue, failure.code.rawValue], default: 0] += 1
    }
  }

  package func count(cache result: String) { state.withLock { $0.cache[result, default: 0] += 1 } }

  package func countReplacedWorker() { state.withLock { $0.replaced += 1 } }

  package func add(_ seconds: Double, stage: String) {
    state.withLock { $0.stages[stage, default: Histogram()].add(seconds) }
  }

  package func add(_ times: StageTimes) {
    for (stage, seconds) in times.seconds { add(seconds, stage: stage.rawValue) }
  }

  /// Counts an answer.
  ///
  /// - Parameters:
  ///   - route: The route's pattern, never the path.
  ///   - method: GET and the like.
  ///   - code: The status, 499 where the client was gone.
  ///   - seconds: How long it took, where that is of interest.
  package func count(route: String, method: String, code: Int, seconds: Double?) {
    state.withLock {
      $0.requests[[route, method, String(code)], default: 0] += 1
      if let seconds { $0.durations[route, default: Histogram()].add(seconds) }
    }
  }

  /// How many photos have come to some end.
  package func photos(_ photo: Photo) -> Int { state.withLock { $0.photos[photo] ?? 0 } }

  package func cancelled(_ key: String) -> Int { state.withLock { $0.cancelled[key] ?? 0 } }

  /// Appends all of them.
  package func write(into text: inout PrometheusText) {
    typealias Sample = (labels: [(String, String)], value: Double)
    func samples(_ counts: [[String]: Int], _ names: String...) -> [Sample] {
      counts.sorted { $0.key.lexicographicallyPrecedes($1.key) }
        .map { (Array(zip(names, $0.key)), Double($0.value)) }
    }
    func samples(_ counts: [String: Int], _ name: String, of all: [String]) -> [Sample] {
      all.map { ([(name, $0)], Double(counts[$0] ?? 0)) }
    }
    let state = state.withLock { $0 }
    text.metric(
      "m2fp_photos_total", "Photos that were sent, by what became of them.", .counter,
      Photo.allCases.map { ([("result", $0.rawValue)], Double(state.photos[$0] ?? 0)) })
    text.metric(
      "m2fp_rejected_total", "Photos that were not taken on, by the reason.", .counter,
      samples(state.rejected, "reason", of: Rejection.names))
    text.metric(
      "m2fp_cancelled_total", "Photos that nobody waited for any more, by how far they were.",
      .counter, samples(state.cancelled, "state", of: ["body", "queued", "running"]))
    text.metric(
      "m2fp_failures_total", "Photos that could not be parsed.", .counter,
      samples(state.failures, "stage", "code"))
    text.metric(
      "m2fp_cache_requests_total", "Photos that were looked for in the cache.", .counter,
      samples(state.cache, "result", of: ["hit", "miss", "damaged"]))
    text.metric(
      "m2fp_workers_replaced_total", "Workers that were given up because a photo took too long.",
      .counter, [([], Double(state.replaced))])
    text.metric(
      "m2fp_http_requests_total", "Answers.", .counter,
      samples(state.requests, "route", "method", "code"))
    text.histograms(
      "m2fp_http_request_duration_seconds", "Time from a request's head to its answer's end.",
      state.durations.sorted { $0.key < $1.key }.map { ([("route", $0.key)], $0.value) })
    text.histograms(
      "m2fp_stage_seconds", "Wall-clock time that photos spent.",
      state.stages.sorted { $0.key < $1.key }.map { ([("stage", $0.key)], $0.value) })
  }
}
