/// How long the network takes for a photo, by those that it last took.
package struct Estimator: Sendable {
  /// Seconds; nil before the first.
  package private(set) var mean: Double?
  private var count = 0

  /// Of how many photos the mean tells.
  private static let memory = 32

  package init() {}

  /// Counts a photo in. The first ones are averaged, later ones outweigh those before them.
  package mutating func add(_ seconds: Double) {
    count = min(count + 1, Self.memory)
    let old = mean ?? seconds
    mean = old + (seconds - old) / Double(count)
  }

  /// Seconds until a photo that comes behind `ahead` others is taken up by one of `workers`.
  package func wait(behind ahead: Int, workers: Int) -> Double {
    (mean ?? 0) * Double(max(0, ahead)) / Double(max(1, workers))
  }
}
