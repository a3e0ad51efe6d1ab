import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults
import SystemPackage

/// Parses photos that come over HTTP.
///
/// The options are all here; what serves is a program of its own, `m2fp-serve`, so that the batch tool
/// needs no HTTP library.
struct ServeCommand: ConfigurableCommand, ExplainedCommand {
  static let examples = [
    Example("m2fp serve", "for this machine alone"),
    Example("m2fp serve --listen 0.0.0.0:80 --token-file tokens", "for who has one"),
    Example("m2fp serve --listen unix:/run/m2fp.sock", "for a proxy"),
  ]

  static let explanation = """
    POST /v1/parse takes a photo, as the body or in a form, and answers with the bytes that 'm2fp parse' \
    writes: ?output=map, json, overlay, cutout, persons, mask:hair, zip or multipart.
      curl --data-binary @photo.jpg localhost:8472/v1/parse --output map.png
    POST /v1/jobs \
    takes one and answers at once. GET / is a page for people, /openapi.json says the rest. Options of \
    parse can be given for each photo: ?masks=hair&persons=true.
    SIGTERM ends it when all photos in hand are answered; SIGHUP reads tokens, model and limits anew.
    """

  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve photos over HTTP: a queue, limits, jobs, metrics and a page.",
    discussion: discussion)

  @Option(
    help: ArgumentHelp(
      "Where to listen: HOST:PORT or unix:PATH; may be repeated. Default: 127.0.0.1:8472.",
      valueName: "address"))
  var listen: [ListenAddress] = []

  @Flag(help: "Serve anybody who reaches the address, though it is not this machine's alone.")
  var open = false

  @Option(
    help: ArgumentHelp(
      """
      Serve only who has one of these tokens, as Authorization: Bearer; lines NAME TOKEN or NAME \
      sha256:HEX. Default: none.
      """, valueName: "file"))
  var tokenFile: FilePath?

  @Option(
    help: ArgumentHelp(
      "A further name that clients know this server by, such as a proxy's; * for any. May be repeated. Default: none.",
      valueName: "name"))
  var host: [String] = []

  @Option(
    help: ArgumentHelp(
      "A site whose pages may ask, such as https://example.org. May be repeated. Default: none.",
      valueName: "origin"))
  var allowOrigin: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      A proxy that says in X-Forwarded-For whom it asks for, so that each of its clients has a share of \
      its own: an address, a network such as 10.0.0.0/8, or 'unix' for what comes over a unix: socket. \
      May be repeated. Default: none.
      """, valueName: "address"))
  var trustProxy: [TrustedProxy] = []

  @Flag(help: "Without the page for people.")
  var noUi = false

  @Flag(help: "Without /metrics.")
  var noMetrics = false

  @Option(
    help: ArgumentHelp("Serve /metrics and health there, too. Default: none.", valueName: "address")
  )
  var metricsListen: ListenAddress?

  @Option(
    help: ArgumentHelp("A model's name ('m2fp models') or archive.", valueName: "name|file"),
    completion: .models)
  var model = ModelLocator.defaultModel

  @OptionGroup var trust: ModelTrustOptions

  @Option(
    help: ArgumentHelp(
      "Masks to make where a photo's own options do not say.", valueName: "all|none|a,b,..."),
    completion: .classList)
  var masks = "all"

  @Option(
    help: "Cap on the long side of the network's input in pixels; photos may ask for less.")
  var maxSide = 800

  @Option(
    help: ArgumentHelp(
      "How much is done for a result, as parse has it.", valueName: "fast|standard|best"))
  var quality = Quality.standard

  @OptionGroup var arithmetic: PrecisionOption

  @OptionGroup(title: "Persons") var persons: PersonOptions

  @OptionGroup(title: "Classes") var labelSet: LabelSetOptions

  @Option(
    name: [.customShort("j", allowingJoined: true), .long],
    help: "Worker threads. Default: one for each CPU that the process may use.")
  var jobs: Int?

  @OptionGroup var threading: ThreadOptions

  @Option(help: "Photos that may wait. Default: 16 for each worker.")
  var queue: Int?

  @Option(
    help: ArgumentHelp("Memory for photos that come, wait or are in hand.", valueName: "size"))
  var queueBytes = ByteCount(256 << 20)

  @Option(
    help:
      "Photos of one client that wait or are in hand; 0 for no limit. Default: 4 for each worker.")
  var perClient: Int?

  @Option(
    help: ArgumentHelp("From a photo's last byte to its answer. Default: 30s.", valueName: "time"))
  var deadline: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "After how long a worker that hangs is replaced. Default: 60s.", valueName: "time"))
  var timeout: TimeSpan?

  @Option(help: "Largest photo in megapixels.")
  var maxPixels = 50

  @Option(help: "Largest photo in MiB.")
  var maxFileSize = 32

  @Option(
    help: ArgumentHelp("How long finished jobs are kept. Default: 10m.", valueName: "time"))
  var resultTtl: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "Memory for finished jobs, and the most that one photo's outputs may have.", valueName: "size"
    ))
  var results = ByteCount(256 << 20)

  @Option(help: "Connections at once.")
  var maxConnections = 512

  @Option(
    help: ArgumentHelp(
      "Until a connection's first request has come. Default: 5s.", valueName: "time"))
  var headerTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("Until the photo of a request has come. Default: 30s.", valueName: "time"))
  var bodyTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "How long a client may take none of its answer. Default: 30s.", valueName: "time"))
  var writeTimeout: TimeSpan?

  @Option(
    help: ArgumentHelp("How long a connection may be idle. Default: 60s.", valueName: "time"))
  var keepAlive: TimeSpan?

  @Option(
    help: ArgumentHelp(
      """
      How long to go on after SIGTERM while /readyz says no, until balancers have noticed. Default: \
      not at all.
      """, valueName: "time"))
  var drainDelay: TimeSpan?

  @Option(
    help: ArgumentHelp(
      "How long to finish photos after SIGTERM before the rest is refused. Default: 30s.",
      valueName: "time"))
  var drainTimeout: TimeSpan?

  @OptionGroup(title: "Cache") var cacheOptions: CacheOptions

  @OptionGroup(title: "Memory") var memory: MemoryOptions

  @Flag(name: .shortAndLong, help: "Print nothing but failures.")
  var quiet = false

  @Option(
    help: ArgumentHelp(
      "trace, debug, info, notice, warning or error. Default: info, a line for each request.",
      valueName: "level"))
  var logLevel: Logger.Level?

  @Option(
    help: ArgumentHelp(
      "Messages on standard error for people, or as a JSON object a line.", valueName: "text|json"))
  var logFormat = LogFormat.text

  @OptionGroup var configuration: ConfigurationOptions

  func validate() throws {
    if maxSide != 0 && maxSide < 64 {
      throw ValidationError("--max-side is 0 (the model's own cap) or at least 64 pixels.")
    }
    for (name, value, range) in [
      ("jobs", jobs ?? 1, 1...1024),
      ("queue", queue ?? 0, 0...1_000_000), ("per-client", perClient ?? 0, 0...1_000_000),
      ("max-pixels", maxPixels, 1...4000), ("max-file-size", maxFileSize, 1...1024),
      ("max-connections", maxConnections, 1...100_000),
    ] where !range.contains(value) {
      throw ValidationError("--\(name) is \(range.lowerBound) to \(range.upperBound).")
    }
    if queueBytes.bytes < maxFileSize << 20 {
      throw ValidationError("--queue-bytes is no less than --max-file-size: one photo has to fit.")
    }
    guard !open, tokenFile == nil else { return }
    if let address = (listen + [metricsListen].compactMap(\.self)).first(where: { !$0.isLoopback })
    {
      throw ValidationError(
        "--listen \(address.text): others can reach it. Name who may, with --token-file, or say --open "
          + "for anybody.")
    }
  }

  /// What serves, in a program that has it, and reads the command line and what sets defaults anew.
  private struct Program: Sendable {
    let serve: @Sendable (ServeSettings) throws -> Int32
    let reread: @Sendable () throws -> ServeCommand
  }

  private static let program = Locked<Program?>(nil)

  static func use(
    _ serve: @escaping @Sendable (ServeSettings) throws -> Int32,
    rereading reread: @escaping @Sendable () throws -> ServeCommand
  ) {
    program.withLock { $0 = Program(serve: serve, reread: reread) }
  }

  func run() throws {
    guard let program = Self.program.withLock({ $0 }) else { return try Self.execute() }
    let code = try program.serve(try settings(program))
    if code != 0 { throw ExitCode(code) }
  }

  /// Becomes the program that serves.
  private static func execute() throws {
    let binary = FilePath("/proc/self/exe").withPlatformString { realpath($0, nil) }
    defer { free(binary) }
    let folder = (binary.map { FilePath(platformString: $0) } ?? "").removingLastComponent()
    let places = [
      folder.appending("m2fp-serve"),
      folder.removingLastComponent().appending("lib/m2fp/m2fp-serve"),
    ]
    let words = (1..<max(1, Int(CommandLine.argc))).map { CommandLine.unsafeArgv[$0] }
    for place in places {
      place.withPlatformString { path in
        let name = strdup(path)
        defer { free(name) }
        _ = execv(path, [name] + words + [nil])
      }
    }
    Console.writeError(
      """
      Error: there is no m2fp-serve beside this program: install it, where m2fp is built from source \
      with 'make serve' or 'make install'.\n
      """)
    throw ExitCode(RunFailure.Kind.modelMissing.exitCode)
  }

  private func settings(_ program: Program) throws -> ServeSettings {
    let budget = CPUBudget.current()
    let logger = logFormat.logger(logLevel ?? (quiet ? .error : .info))
    let plan = threading.placed(
      ThreadPlan(jobs: jobs, threads: threading.threads, files: .max, budget: budget), logger)
    let fonts =
      [ModelLocator.shareFolder.appending("fonts/DejaVuSans.ttf").string] + Font.usualPaths
    func seconds(_ span: TimeSpan?, otherwise: Double) -> Double {
      span.map {
        Double($0.duration.components.seconds)
          + Double($0.duration.components.attoseconds) / 1e18
      } ?? otherwise
    }
    return ServeSettings(
      listeners: (listen.isEmpty ? [ListenAddress.standard] : listen).map(\.address),
      metricsListener: metricsListen?.address, tokenFile: tokenFile,
      hosts: host.contains("*")
        ? nil : Set((host + [ProcessInfo.processInfo.hostName]).map { $0.lowercased() }),
      origins: Set(allowOrigin), proxies: trustProxy.map(\.proxy), hasPage: !noUi,
      hasMetrics: !noMetrics,
      font: fonts.lazy.compactMap { Font(path: $0) }.first,
      reread: { try program.reread().settings(program) }, open: { try openModel(plan) },
      openCache: { try cacheOptions.open() }, threads: plan,
      queue: queue ?? 16 * plan.jobs, queueBytes: queueBytes.bytes,
      perClient: perClient ?? 4 * plan.jobs, photoBytes: maxFileSize << 20,
      connections: maxConnections, resultBytes: results.bytes,
      deadline: seconds(deadline, otherwise: 30), timeout: seconds(timeout, otherwise: 60),
      resultTTL: seconds(resultTtl, otherwise: 600),
      headTimeout: seconds(headerTimeout, otherwise: 5),
      bodyTimeout: seconds(bodyTimeout, otherwise: 30),
      writeTimeout: seconds(writeTimeout, otherwise: 30),
      keepAlive: seconds(keepAlive, otherwise: 60),
      drainDelay: seconds(drainDelay, otherwise: 0),
      drainTimeout: seconds(drainTimeout, otherwise: 30), logger: logger,
      version: Version.current)
  }

  private func openModel(_ plan: ThreadPlan) throws -> (Parser, ModelIdentity) {
    let archive = try trust.checked(ModelLocator.standard.open(ModelReference(model)))
    let contract = archive.contract
    var options = ParserOptions()
    let labels = try labelSet.resolve(for: contract)
    options.maxSide = maxSide
    options.precision = arithmetic.precision
    options.quality = quality
    options.limits = ImageLimits(maxPixels: maxPixels * 1_000_000)
    options.persons = persons.rules(contract: archive.personContract)
    options.remap = labels.remap
    options.outputs.masks = try ClassList.indices(masks, option: "--masks", classes: labels.classes)
    options.outputs.personMap = false
    options.outputs.palette = labels.palette
    try memory.check(
      jobs: plan.jobs, threads: plan.threads, archive: archive, parsing: options,
      photoBytes: maxFileSize << 20, besides: queueBytes.bytes)
    try plan.check()
    return (Parser(archive, options: options), try ModelIdentity(archive))
  }
}

/// `10.0.0.1`, `10.0.0.0/8` or `unix`.
struct TrustedProxy: ExpressibleByArgument, Equatable {
  let proxy: ServeSettings.Proxy

  init?(argument: String) {
    if argument == "unix" {
      proxy = .socket
    } else {
      guard let network = IPNetwork(argument) else { return nil }
      proxy = .network(network)
    }
  }
}

/// `127.0.0.1:8472`, `[::1]:8472` or `unix:/run/m2fp.sock`.
struct ListenAddress: ExpressibleByArgument, Equatable {
  let address: ServeSettings.Address
  let text: String

  static let standard = ListenAddress(
    address: .host("127.0.0.1", port: 8472), text: "127.0.0.1:8472")

  private init(address: ServeSettings.Address, text: String) {
    self.address = address
    self.text = text
  }

  init?(argument: String) {
    text = argument
    if argument.hasPrefix("unix:") {
      let bytes = PathArgument.bytes(of: String(argument.dropFirst(5)))
      // As many as the system takes; what listens takes text.
      guard (1...107).contains(bytes.count), let path = FilePath(bytes: bytes),
        FilePath(path.string) == path
      else { return nil }
      address = .unix(path)
      return
    }
    guard let colon = argument.lastIndex(of: ":"),
      let port = Int(argument[argument.index(after: colon)...]), (0...65_535).contains(port)
    else { return nil }
    var host = String(argument[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard !host.isEmpty else { return nil }
    address = .host(host, port: port)
  }

  /// Whether only this machine reaches it.
  var isLoopback: Bool {
    switch address {
    case .host(let host, _): host == "localhost" || host == "::1" || host.hasPrefix("127.")
    case .unix: true
    }
  }
}
