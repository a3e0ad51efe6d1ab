import Glibc
import M2FP

/// Times the stages round the network on made-up data and prints a Markdown table. Of those that run on
/// one thread it is processor time that is shown: on a busy machine, too, it tells the truth.
@main struct Bench {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    if arguments.isEmpty { return try stages() }
    let words = Array(arguments)
    let sizes = words.dropFirst(3).compactMap(Int.init)
    let precision = words.count > 1 ? Precision(rawValue: words[1]) : nil
    switch (words[0], precision, sizes.count, words.count) {
    case ("network", let precision?, 3, 6):
      try NetworkBench(
        archive: words[2], precision: precision, width: sizes[0], height: sizes[1],
        threads: sizes[2]
      ).serve()
    case ("profile", let precision?, 2, 5):
      try NetworkBench(
        archive: words[2], precision: precision, width: sizes[0], height: sizes[1], threads: 1
      ).profile()
    case ("postprocess", _, _, 3...):
      try PostprocessBench(archive: words[1]).run(Array(words.dropFirst(2)))
    #if M2FP_SERVE
      case ("serve", _, _, 4):
        guard let seconds = Double(words[1]), let jobs = Int(words[2]), let port = Int(words[3])
        else {
          fallthrough
        }
        try ServeBench(seconds: seconds, jobs: jobs).run(port: port)
    #endif
    default:
      print(
        """
        usage: m2fp-bench
                 the stages round the network
               m2fp-bench network PRECISION ARCHIVE WIDTH HEIGHT THREADS
                 a run for each line on stdin
               m2fp-bench profile PRECISION ARCHIVE WIDTH HEIGHT
                 where a run's time goes
               m2fp-bench postprocess ARCHIVE PHOTO ...
                 what follows the network
               m2fp-bench serve SECONDS JOBS PORT
                 the server round a network that sleeps (built with 'make serve-bench')
        """)
      exit(64)
    }
  }

  private static func stages() throws {
    printHeader()
    let small = Scene(imageWidth: 512, imageHeight: 512, inputWidth: 640, inputHeight: 640)
    let large = Scene(imageWidth: 4000, imageHeight: 3000, inputWidth: 800, inputHeight: 608)

    let twenty = small.parsing(people: 2, partsEach: 9)
    let forty = large.parsing(people: 4, partsEach: 9)
    let mottled = large.fitted()
    let single = Scene(imageWidth: 3000, imageHeight: 4000, inputWidth: 384, inputHeight: 512)
    let person = single.semantic()
    for (threads, postprocessor) in postprocessors(instances) {
      try report("merge, 20 masks", small.size, threads: threads, runs: 50) {
        try merge(postprocessor, twenty, small).labels.pixels.count
      }
      try report("merge, 40 masks", large.size, threads: threads, runs: 10) {
        try merge(postprocessor, forty, large).labels.pixels.count
      }
      try report("merge, 40 masks, persons", large.size, threads: threads, runs: 10) {
        try merge(postprocessor, forty, large, persons: .all).labels.pixels.count
      }
      try report("merge, 80 mottled masks", large.size, threads: threads, runs: 5) {
        try merge(postprocessor, mottled, large).labels.pixels.count
      }
    }
    for (threads, postprocessor) in postprocessors(.querySemantic) {
      try report("merge, single-human", single.size, threads: threads, runs: 5) {
        try merge(postprocessor, person, single).labels.pixels.count
      }
    }

    let postprocessor = Postprocessor(contract: contract(instances), threads: 1)
    try report("merge and colour, 20 masks", small.size, runs: 50) {
      let labels = try merge(postprocessor, twenty, small).labels
      return Overlay.blend(small.image, labels: labels, palette: Palette.cihp.colours).pixels.count
    }
    let result = try merge(postprocessor, forty, large)
    report("overlay", large.size, runs: 10) {
      Overlay.blend(large.image, labels: result.labels, palette: Palette.cihp.colours).pixels.count
    }
    let resizer = Resizer()
    report("resize to 800 × 600", large.size, runs: 10) {
      resizer.withResized(large.image, width: 800, height: 600) { Int($0[0]) }
    }
    let jpeg = try JPEGEncoder.rgb(large.image)
    try report("decode JPEG", large.size, runs: 5) {
      try jpeg.withUnsafeBytes { bytes in try ImageDecoder.decode(bytes).image.pixels.count }
    }
    try report("encode colour map", large.size, runs: 5) {
      try PNGEncoder.labelMap(result.labels, palette: Palette.cihp.colours).count
    }
    try report("encode a mask", large.size, runs: 5) {
      try PNGEncoder.mask(of: 5, in: result.labels).count
    }
    try report("encode overlay as JPEG", large.size, runs: 5) {
      try JPEGEncoder.rgb(large.image).count
    }
  }

  /// The numbers of threads that are measured.
  static let threadCounts = [1, 2]

  /// One for each number of threads that is measured.
  private static func postprocessors(
    _ postprocess: ModelContract.Postprocess
  ) -> [(threads: Int, postprocessor: Postprocessor)] {
    threadCounts.map { ($0, Postprocessor(contract: contract(postprocess), threads: $0)) }
  }

  static let instances = ModelContract.Postprocess.instances(
    ModelContract.InstanceRules(
      topK: 100, partScoreThreshold: 0.1, humanScoreThreshold: 0.1, semanticScoreThreshold: 0.5,
      maskThreshold: 0.5))

  static func contract(_ postprocess: ModelContract.Postprocess) -> ModelContract {
    ModelContract(
      model: "bench", classes: Palette.cihp.colours.map(\.hex), palette: Palette.cihp.colours,
      preprocess: ModelContract.Preprocess(
        geometry: .multi(shortSide: 640, maxSide: 1333), divisor: 32, mean: [0, 0, 0],
        std: [1, 1, 1]),
      postprocess: postprocess, licence: "none", commercialUse: true, sourceSHA256: "seed:1",
      torchVersion: "none")
  }

  private static func merge(
    _ postprocessor: Postprocessor, _ logits: Logits, _ scene: Scene, persons: PersonRules? = nil
  ) throws(FileFailure) -> ParsingResult {
    try logits.classLogits.withUnsafeBufferPointer { (classLogits) throws(FileFailure) in
      try logits.maskLogits.withUnsafeBufferPointer { (maskLogits) throws(FileFailure) in
        try postprocessor.run(
          NetworkOutput(tensors: [
            .init(shape: [1, 100, logits.classes], values: classLogits),
            .init(shape: [1, 100, scene.maskHeight, scene.maskWidth], values: maskLogits),
          ]), geometry: scene.geometry, persons: persons)
      }
    }
  }

  static func printHeader() {
    print("| stage | image | threads | best ms | median ms |")
    print("|---|---|---:|---:|---:|")
  }

  /// Runs `body` once and then `runs` times, and prints a row with the time that it takes: of the
  /// processor on one thread, of the clock on more.
  static func report<Failure>(
    _ stage: String, _ size: (width: Int, height: Int), threads: Int = 1, runs: Int,
    _ body: () throws(Failure) -> Int
  ) throws(Failure) {
    let clock = threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC
    var checksum = try body()
    var times: [Double] = []
    for _ in 0..<runs {
      let start = milliseconds(clock)
      checksum &+= try body()
      times.append(milliseconds(clock) - start)
    }
    // Used, so that the work cannot be left out.
    precondition(checksum > 0)
    times.sort()
    print(
      "| \(stage) | \(size.width) × \(size.height) | \(threads) | \(rounded(times[0])) | \(rounded(times[runs / 2])) |"
    )
  }

  private static func milliseconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
  }

  private static func rounded(_ milliseconds: Double) -> String {
    "\(Double(Int(milliseconds * 100 + 0.5)) / 100)"
  }
}
