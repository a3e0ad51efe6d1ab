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

  init(_ parser: Parser, session: any NetworkSession, threads: Int) {
    self.parser = parser
    self.session = session
    postprocessor = Postprocessor(contract: parser.contract, threads: threads)
    preprocessor = Preprocessor(parser.contract.preprocess, maxSide: parser.options.maxSide)
  }

  /// Parses a photo: ``Parser/decode(_:)-1`` and ``infer(_:)``.
  ///
  /// - Parameter bytes: A whole JPEG or PNG file.
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
    var times = decoded.times
    let start = DispatchTime.now().uptimeNanoseconds
    var merging = StageTimes()
    let result = try run(decoded) { (output) throws(FileFailure) in
      try merging.measure(.merge) { () throws(FileFailure) in try merge(output, of: decoded) }
    }
    let seconds = merging.seconds[.merge] ?? 0
    times.add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 - seconds, to: .infer)
    times.add(seconds, to: .merge)
    let remapped = parser.options.remap.map { result.remapped(by: $0) }
    return ParsedPhoto(
      source: decoded.source, warnings: decoded.warnings, result: remapped ?? result,
      unmapped: remapped == nil ? nil : result, photo: decoded.original, times: times,
      encoder: parser.encoder)
  }

  /// Runs the network on a photo and lends out what it returned.
  package func run<Result>(
    _ decoded: DecodedPhoto, _ body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    try session.run(
      width: decoded.geometry.inputWidth, height: decoded.geometry.inputHeight,
      fill: { preprocessor.fill($0, content: decoded.content, geometry: decoded.geometry) },
      body: body)
  }

  /// Turns what the network returned for a photo into the result at the photo's size, in the model's
  /// own classes.
  package func merge(
    _ output: NetworkOutput, of decoded: DecodedPhoto
  ) throws(FileFailure) -> ParsingResult {
    // A network that lost its numbers finds nobody, which is no result.
    guard output.isFinite else {
      throw FileFailure(
        stage: .infer, code: .inference, message: "the network returned values that are no numbers")
    }
    return try postprocessor.run(
      output, geometry: decoded.geometry, persons: parser.options.persons)
  }
}
