import Foundation
import M2FPImageIO
import TestSupport
import Testing

/// Holds the memory that a run is estimated to need against the memory that it takes. `make memory`
/// does it at length, for the archives in `MEMORY_MODELS` (separated by colons).
@Suite(.serialized) struct MemoryTests: CLIFixture {
  let folder: TemporaryFolder
  private let isLong = Self.environment["MEMORY_MODELS"] != nil

  private static let models =
    environment["MEMORY_MODELS"].map { $0.split(separator: ":").map(String.init) }
    ?? [shippedModel]

  init() throws {
    folder = try TemporaryFolder()
    // Square photos get the largest input that the short side allows.
    for (name, width, height) in [("small", 400, 300), ("large", 4000, 3000)] {
      for number in 0..<(name == "small" || isLong ? 6 : 0) {
        let photo = Photo.stripes(width: width, height: height, number: 2 * number + 1)
        try folder.write("\(name)/\(number).jpg", JPEGEncoder.rgb(photo).data)
      }
    }
  }

  /// What is rendered side by side is held within the limit: without one these photos took 150 MB at a time.
  /// The C library gives memory back at once, so that what is resident is what is held.
  @Test func issue17RenderingStaysWithinTheLimit() async throws {
    let photo = try PNGEncoder.rgb(Photo.hairAndFace(width: 2000, height: 1500)).data
    for number in 0..<8 { try folder.write("render/\(number).png", photo) }
    func summary(_ arguments: String...) async throws -> ReportLine.Summary {
      let result = try await parse(
        ["render", "--max-side", "320", "--masks", "none", "--json"] + arguments,
        environment: ["MALLOC_MMAP_THRESHOLD_": "65536"])
      return try #require(result.summary, "\(result.error)")
    }
    #expect(try await summary("--jobs", "1").parsed == 8)
    let rendered = try await summary("--jobs", "8", "--overlay", "--memory-limit", "100M")
    #expect(rendered.rendered == 8 && rendered.peakMemory <= 100 << 20, "\(rendered.peakMemory)")
  }

  @Test(arguments: models) func theEstimateCoversWhatARunTakesAndNotMuchMore(_ model: String)
    async throws
  {
    for photos in isLong ? ["small", "large"] : ["small"] {
      for maxSide in isLong ? ["320", "800", "0"] : ["800"] {
        for jobs in ["1", "2"] {
          for extra in isLong ? [[], ["--overlay"]] : [[]] {
            let arguments =
              ["parse", photos, "--model", model, "--max-side", maxSide, "--jobs", jobs] + extra
            let refused = try await run(
              arguments + ["--out", "out", "--force", "--memory-limit", "1M"])
            let figure = try #require(
              refused.error.firstMatch(of: /needs? about ([0-9]+) MiB/).flatMap { Double($0.1) },
              "\(refused.error)")
            let result = try await run(arguments + ["--out", "out", "--force", "--json"])
            try #require(result.code == 0, "\(result.error)")
            let peak = Double(try #require(result.summary).peakMemory) / 1_048_576
            print(
              "memory: \(model.split(separator: "/").last ?? "") \(arguments.dropFirst(4).joined(separator: " ")), \(photos) photos: estimated \(Int(figure)) MiB, took \(Int(peak)) MiB"
            )
            #expect(peak <= figure && figure <= 2 * peak, "\(arguments)")
          }
        }
      }
    }
  }
}
