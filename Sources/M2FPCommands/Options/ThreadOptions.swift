import ArgumentParser
import Logging
import M2FPBatch

/// What each worker's threads are, and where they run.
struct ThreadOptions: ParsableArguments {
  @Option(help: "Intra-op threads of each worker. Default: CPUs / jobs.")
  var threads: Int?

  @Flag(
    help: ArgumentHelp(
      "Keep each worker's threads to CPUs of their own, spread over the machine's memory nodes (NUMA), "
        + "and its memory near to them. For machines of several sockets that do nothing else."))
  var pin = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads is 1 to 1024.")
    }
  }

  /// - Returns: `plan`, pinned if that was asked for.
  func placed(_ plan: ThreadPlan, _ logger: Logger) -> ThreadPlan {
    guard pin else { return plan }
    var plan = plan
    plan.pin(to: .current())
    for (index, cpus) in (plan.cpus ?? []).enumerated() {
      let list = cpus.map(String.init).joined(separator: ", ")
      logger.debug("worker \(index + 1) keeps to CPU \(list)")
    }
    return plan
  }
}
