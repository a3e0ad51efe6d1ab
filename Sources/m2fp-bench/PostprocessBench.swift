import Foundation
import M2FPCore
import M2FPImageIO
import M2FPInference
import SystemPackage

/// Times the postprocess of what a network returns for real photos, on one thread and on two.
struct PostprocessBench {
  private let archive: ModelArchive

  init(archive: String) throws {
    self.archive = try ModelArchive(path: FilePath(archive))
  }

  /// Prints a row of a Markdown table for each photo.
  func run(_ photos: [String]) throws {
    let session = try TorchSession(model: Model(archive), threads: 1)
    let preprocessor = Preprocessor(archive.contract.preprocess, maxSide: 800)
    let postprocessors = Bench.postprocessors(archive.contract)
    Bench.printHeader()
    for photo in photos {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: photo))
      let image = try bytes.withUnsafeBytes { try ImageDecoder.decode($0).image }
      let geometry = preprocessor.geometry(width: image.width, height: image.height)
      let content = preprocessor.content(of: image, geometry: geometry)
      try session.run(
        width: geometry.inputWidth, height: geometry.inputHeight,
        fill: { preprocessor.fill($0, content: content, geometry: geometry) },
        body: { output in
          for (threads, postprocessor) in postprocessors {
            Bench.report(
              URL(fileURLWithPath: photo).lastPathComponent, geometry, threads: threads, runs: 7
            ) {
              postprocessor.run(output, geometry: geometry, persons: nil).labels.pixels.count
            }
          }
        })
    }
  }
}
