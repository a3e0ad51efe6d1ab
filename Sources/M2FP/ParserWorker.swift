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
  /// - Throws: ``FileFailure`` of stage `infer`.
  public func infer(_ decoded: DecodedPhoto) throws(FileFailure) -> ParsedPhoto {
    var times = decoded.times
    let start = DispatchTime.now().uptimeNanoseconds
    var merge = StageTimes()
    let options = parser.options
    let result = try session.run(
      width: decoded.geometry.inputWidth, height: decoded.geometry.inputHeight,
      fill: { preprocessor.fill($0, content: decoded.content, geometry: decoded.geometry) },
      body: { output -> (own: ParsingResult, shown: ParsingResult)? in
        merge.measure(.merge) {
          // A network that lost its numbers finds nobody, which is no result.
          guard output.isFinite else { return nil }
          let result = postprocessor.run(
            output, geometry: decoded.geometry, persons: options.persons)
          return (result, options.remap.map { result.remapped(by: $0) } ?? result)
        }
      })
    guard let result else {
      throw FileFailure(
        stage: .infer, code: .inference, message: "the network returned values that are no numbers")
    }
    let merging = merge.seconds[.merge] ?? 0
    times.add(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 - merging, to: .infer)
    times.add(merging, to: .merge)
    return ParsedPhoto(
      source: decoded.source, warnings: decoded.warnings, result: result.shown,
      unmapped: options.remap == nil ? nil : result.own, photo: decoded.original, times: times,
      encoder: parser.encoder)
  }
}
