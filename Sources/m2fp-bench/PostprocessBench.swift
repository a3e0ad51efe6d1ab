import FoundationEssentials
import M2FP

/// Times the postprocess of what a network returns for real photos, on one thread and on two.
struct PostprocessBench {
  private let parser: Parser

  init(archive: String) throws {
    parser = try Parser(model: ModelReference(archive))
  }

  /// Prints a row of a Markdown table for each photo.
  func run(_ photos: [String]) throws {
    let workers = try Bench.threadCounts.map { (threads: $0, try parser.makeWorker(threads: $0)) }
    Bench.printHeader()
    for photo in photos {
      let file = URL(fileURLWithPath: photo)
      let decoded = try parser.decode([UInt8](Data(contentsOf: file)))
      let size = (decoded.source.width, decoded.source.height)
      try workers[0].1.run(decoded) { (output) throws(FileFailure) in
        for (threads, worker) in workers {
          try Bench.report(file.lastPathComponent, size, threads: threads, runs: 7) {
            () throws(FileFailure) in
            try worker.merge(output, of: decoded).labels.pixels.count
          }
        }
      }
    }
  }
}
