/// What can be asked for.
enum Route: Equatable {
  case parse, jobs, job(String), jobResult(String), result(String), model, status
  case live, ready, health, metrics, specification
  case page(String)

  /// - Parameter path: The path, without the query; each of its bytes counts.
  init?(_ path: String) {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(
      String.init)
    if parts.count == 1, Page.files[parts[0]] != nil {
      self = .page(parts[0])
      return
    }
    if parts.first == "v1", parts.count >= 3, !parts[2].isEmpty {
      switch (parts[1], parts.count) {
      case ("jobs", 3): self = .job(parts[2])
      case ("jobs", 4) where parts[3] == "result": self = .jobResult(parts[2])
      case ("results", 3): self = .result(parts[2])
      default: return nil
      }
      return
    }
    switch parts {
    case ["v1", "parse"]: self = .parse
    case ["v1", "jobs"]: self = .jobs
    case ["v1", "model"]: self = .model
    case ["v1", "status"]: self = .status
    case ["livez"]: self = .live
    case ["readyz"]: self = .ready
    case ["health"]: self = .health
    case ["metrics"]: self = .metrics
    case ["openapi.json"]: self = .specification
    default: return nil
    }
  }

  /// Its pattern, for metrics and logs: there are few of them.
  var pattern: String {
    switch self {
    case .parse: "/v1/parse"
    case .jobs: "/v1/jobs"
    case .job: "/v1/jobs/{id}"
    case .jobResult: "/v1/jobs/{id}/result"
    case .result: "/v1/results/{sha256}"
    case .model: "/v1/model"
    case .status: "/v1/status"
    case .live: "/livez"
    case .ready: "/readyz"
    case .health: "/health"
    case .metrics: "/metrics"
    case .specification: "/openapi.json"
    case .page: "/"
    }
  }

  var methods: [String] {
    switch self {
    case .parse, .jobs: ["POST"]
    case .job: ["GET", "HEAD", "DELETE"]
    default: ["GET", "HEAD"]
    }
  }

  /// Whether it is asked by machines all the time, and by anybody.
  var isProbe: Bool {
    switch self {
    case .live, .ready, .health: true
    default: false
    }
  }

  /// Whether it tells nothing of photos, so that no token is needed.
  var isOpen: Bool {
    switch self {
    case .live, .ready, .health, .specification, .page: true
    default: false
    }
  }
}
