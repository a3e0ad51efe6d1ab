import Dispatch

/// Wall-clock seconds spent in each stage.
public struct StageTimes: Sendable, Equatable {
  public private(set) var seconds: [Stage: Double] = [:]

  public init() {}

  /// Runs `body` and books its time on `stage`, also when it throws.
  package mutating func measure<Value, Failure: Error>(
    _ stage: Stage, _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let start = DispatchTime.now().uptimeNanoseconds
    defer { add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9, to: stage) }
    return try body()
  }

  /// Adds what `other` has spent since it was as `before`.
  package mutating func add(_ other: StageTimes, without before: StageTimes = StageTimes()) {
    for (stage, time) in other.seconds { add(time - (before.seconds[stage] ?? 0), to: stage) }
  }

  package mutating func add(_ time: Double, to stage: Stage) {
    seconds[stage, default: 0] += time
  }
}
