import FoundationEssentials
import M2FP
import M2FPCore
import M2FPImageIO
import M2FPResults
import M2FPServe

/// A job, as clients see it.
struct JobAnswer: Encodable {
  let id: String
  let state: String
  let position: Int?
  let estimate: Double?
  let submitted: String
  let links: [String: String]
  let seconds: [String: Double]
  let error: Failure?
  let expires: Double?

  struct Failure: Encodable {
    let code: String
    let detail: String
  }

  enum CodingKeys: String, CodingKey {
    case id, state, position, submitted, links, seconds, error
    case estimate = "estimated_seconds"
    case expires = "expires_seconds"
  }

  init(_ status: JobStatus) {
    func rounded(_ seconds: Double) -> Double { (seconds * 1000).rounded() / 1000 }
    id = status.id
    state = status.state.rawValue
    position = status.position
    estimate = status.estimate.map(rounded)
    submitted = status.submitted.formatted(.iso8601)
    links = ["self": "/v1/jobs/\(status.id)", "result": "/v1/jobs/\(status.id)/result"]
    var seconds = ["queue": rounded(status.queued)]
    if let running = status.running { seconds["run"] = rounded(running) }
    self.seconds = seconds
    expires = status.expires.map(rounded)
    let problem: Problem? =
      switch status.outcome {
      case .failed(let failure): Problem(failure)
      case .expired: Problem(504, "deadline", "It was not done in time.")
      case .refused(let rejection): Problem(rejection)
      case .done, .cancelled, nil: nil
      }
    error = problem.map { Failure(code: $0.code, detail: $0.detail) }
  }
}

/// The network and what it is asked.
struct ModelAnswer: Encodable {
  let name: String
  let sha256: String
  let licence: String
  let commercialUse: Bool
  let classes: [Class]
  let options: Options
  let limits: Limits

  struct Class: Encodable {
    let index: Int
    let name: String
    let slug: String
    let color: String
  }

  struct Options: Encodable {
    let maxSide: Int
    let precision: String
    let quality: String
    let outputs: [String]

    enum CodingKeys: String, CodingKey {
      case maxSide = "max_side"
      case precision, quality, outputs
    }
  }

  struct Limits: Encodable {
    let photoBytes: Int
    let photoPixels: Int
    let perClient: Int
    let queue: Int
    let deadline: Double
    let resultSeconds: Double

    enum CodingKeys: String, CodingKey {
      case photoBytes = "photo_bytes"
      case photoPixels = "photo_pixels"
      case perClient = "per_client"
      case queue, deadline
      case resultSeconds = "result_seconds"
    }
  }

  enum CodingKeys: String, CodingKey {
    case name, sha256, licence, classes, options, limits
    case commercialUse = "commercial_use"
  }

  init(_ service: Service) {
    let model = service.model
    let parser = model.parser
    name = model.identity.name
    sha256 = model.identity.sha256
    licence = parser.contract.licence
    commercialUse = parser.contract.commercialUse
    let palette = parser.encoder.selection.palette
    classes = parser.classes.enumerated().map { index, name in
      Class(
        index: index, name: name, slug: ClassNames.slug(name),
        color: index < palette.count ? palette[index].hex : "#000000")
    }
    options = Options(
      maxSide: parser.options.maxSide, precision: parser.options.precision.rawValue,
      quality: parser.options.quality.rawValue, outputs: Output.names)
    limits = Limits(
      photoBytes: service.limits.photoBytes, photoPixels: parser.options.limits.maxPixels,
      perClient: service.limits.perClient, queue: service.limits.queue,
      deadline: service.limits.deadline, resultSeconds: service.limits.resultTTL)
  }
}

/// What the service is at.
struct StatusAnswer: Encodable {
  let phase: String
  let workers: [Worker]
  let waiting: Int
  let admitted: Int
  let bytes: Int
  let mean: Double?
  let wait: Double

  struct Worker: Encodable {
    let state: String
    let seconds: Double?
  }

  enum CodingKeys: String, CodingKey {
    case phase, workers, waiting, admitted, bytes
    case mean = "mean_seconds"
    case wait = "estimated_wait_seconds"
  }

  init(_ snapshot: Service.Snapshot) {
    phase = snapshot.phase.rawValue
    workers = snapshot.workers.map {
      Worker(state: $0.isBusy ? "busy" : "idle", seconds: $0.seconds)
    }
    waiting = snapshot.waiting
    admitted = snapshot.admitted
    bytes = snapshot.bytes
    mean = snapshot.meanSeconds
    wait = snapshot.estimatedWait
  }
}

struct HealthAnswer: Encodable {
  let status: String
  let isLoaded: Bool

  enum CodingKeys: String, CodingKey {
    case status
    case isLoaded = "model_loaded"
  }
}
