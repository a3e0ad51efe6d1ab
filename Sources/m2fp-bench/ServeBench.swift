#if M2FP_SERVE
  import Glibc
  import Logging
  import M2FP
  import M2FPCore
  import M2FPHTTP
  import M2FPResults
  import M2FPServe

  /// The server round a network that sleeps: what is measured of it is its own.
  struct ServeBench {
    /// How long the network sleeps.
    let seconds: Double
    let jobs: Int

    /// Serves until the process is ended.
    func run(port: Int) throws {
      signal(SIGPIPE, SIG_IGN)
      var options = ParserOptions()
      options.persons = .all
      options.outputs.personMap = false
      // The others prepare nothing for their networks.
      options.maxSide = 64
      let contract = Bench.contract(Bench.instances)
      let parser = Parser(contract: contract, options: options) { [seconds] _ in
        SleepingSession(seconds: seconds, classes: contract.networkClasses)
      }
      var limits = ServiceLimits()
      (limits.jobs, limits.perClient) = (jobs, 0)
      limits.queue = 8 * jobs
      let service = Service(
        ServedModel(
          parser, identity: ModelIdentity(name: "asleep", sha256: ""), cache: nil, version: ""),
        limits: limits)
      var http = HTTPOptions()
      http.listeners = [.init(.host("127.0.0.1", port: port))]
      let server = HTTPServer(
        service, options: http, guardian: Guard(),
        logger: Logger(label: "m2fp.bench") { _ in SwiftLogNoOpLogHandler() })
      Task {
        do {
          _ = try await server.start()
          try service.start { _ in exit(1) }
        } catch {
          print(error)
          exit(1)
        }
      }
      while true { pause() }
    }
  }

  /// A network that sees nothing, and takes its time for it.
  private struct SleepingSession: NetworkSession {
    let seconds: Double
    /// Class logits of a query, the last that of "no object".
    let classes: Int

    func run<Result>(
      width: Int, height: Int, fill: (UnsafeMutableBufferPointer<Float>) -> Void,
      body: (NetworkOutput) throws(FileFailure) -> Result
    ) throws(FileFailure) -> Result {
      var input = [Float](repeating: 0, count: 3 * width * height)
      input.withUnsafeMutableBufferPointer { fill($0) }
      usleep(UInt32(seconds * 1e6))
      let logits = [Float](repeating: 0, count: classes - 1) + [10]
      let mask = [Float](repeating: -8, count: width / 4 * (height / 4))
      return try logits.withUnsafeBufferPointer { (logits) throws(FileFailure) in
        try mask.withUnsafeBufferPointer { (mask) throws(FileFailure) in
          try body(
            NetworkOutput(tensors: [
              .init(shape: [1, 1, classes], values: logits),
              .init(shape: [1, 1, height / 4, width / 4], values: mask),
            ]))
        }
      }
    }
  }
#endif
