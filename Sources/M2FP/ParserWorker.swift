import Dispatch
import M2FPCore
import M2FPInference

/// Worker of a ``Parser``: the network, and the memory for one photo after another.
///
/// It belongs to the thread that made it, as the network's session does, and traps on any other.
public final class ParserWorker {
  private let parser: Parser
  private let session: any NetworkSession
  private let postprocessor: Postprocessor
  private let preprocessor: Preprocessor
  private let passes: MirroredPasses

  init(_ parser: Parser, session: any NetworkSession, threads: Int) {
    self.parser = parser
    self.session = session
    postprocessor = Postprocessor(contract: parser.contract, threads: threads)
    preprocessor = Preprocessor(parser.contract.preprocess, maxSide: parser.options.maxSide)
    passes = MirroredPasses(contract: parser.contract)
  }

  /// Parses a photo: ``Parser/decode(_:)-1`` and ``infer(_:)``.
  ///
  /// - Parameter bytes: A whole file, of a format in ``ImageFormat``.
  /// - Returns: What was found, at the photo's own size.
  /// - Throws: ``FileFailure`` of stage `decode` or `infer`.
  public func parse(_ bytes: [UInt8]) throws(FileFailure) -> ParsedPhoto {
    try infer(parser.decode(bytes))
  }

  /// Runs the network and merges what it returns.
  ///
  /// - Throws: ``FileFailure`` of stage `infer`: also where the network does not return what its
  ///   contract promises, or no numbers.
  public func infer(_ decoded: DecodedPhoto) throws(FileFailure) -> ParsedPhoto {
    try infer(decoded, for: parser)
  }

  /// Does the same for another parser of the same network, which has decoded the photo.
  package func infer(
    _ decoded: DecodedPhoto, for parser: Parser
  ) throws(FileFailure) -> ParsedPhoto {
    var times = decoded.times
    let start = DispatchTime.now().uptimeNanoseconds
    var merging = StageTimes()
    if parser.options.quality == .best {
      try run(decoded) { (output) throws(FileFailure) in
        try passes.keep(output, geometry: decoded.geometry)
      }
    }
    let result = try run(decoded, isMirrored: parser.options.quality == .best) {
      (output) throws(FileFailure) in
      try merging.measure(.merge) { () throws(FileFailure) in
        guard parser.options.quality == .best else {
          return try merge(output, of: decoded, for: parser)
        }
        return try passes.withBoth(mirrored: output, geometry: decoded.geometry) {
          (output) throws(FileFailure) in
          try merge(output, of: decoded, for: parser, passes: 2)
        }
      }
    }
    let seconds = merging.seconds[.merge] ?? 0
    times.add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 - seconds, to: .infer)
    times.add(seconds, to: .merge)
    let remapped = parser.options.remap.map { result.remapped(by: $0) }
    return ParsedPhoto(
      source: decoded.source, warnings: decoded.warnings + result.warnings,
      result: remapped ?? result,
      unmapped: remapped == nil ? nil : result, photo: decoded.original, times: times,
      encoder: parser.encoder)
  }

  /// Runs the network on a photo, or on the mirror image of its input, and lends out what it returned.
  package func run<Result>(
    _ decoded: DecodedPhoto, isMirrored: Bool = false,
    _ body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    let width = decoded.geometry.inputWidth
    return try session.run(
      width: width, height: decoded.geometry.inputHeight,
      fill: { input in
        preprocessor.fill(input, content: decoded.content, geometry: decoded.geometry)
        guard isMirrored else { return }
        for row in stride(from: 0, to: input.count, by: width) {
          input[row..<row + width].reverse()
        }
      },
      body: body)
  }

  /// Turns what the network returned for a photo, in one run or in two, into the result in the
  /// model's own classes, at the photo's size.
  package func merge(
    _ output: NetworkOutput, of decoded: DecodedPhoto, for parser: Parser? = nil, passes: Int = 1
  ) throws(FileFailure) -> ParsingResult {
    let options = (parser ?? self.parser).options
    return try postprocessor.run(
      output, passes: passes, geometry: decoded.geometry,
      picture: options.quality == .fast ? nil : decoded.content, persons: options.persons)
  }
}
