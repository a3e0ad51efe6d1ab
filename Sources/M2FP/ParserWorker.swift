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
  /// Who finds persons; nil where they are not parsed by themselves.
  private let finder: ParserWorker?
  /// Who parses them, where it is not this one.
  private let cropper: ParserWorker?
  private let crops = CropLogits()

  init(
    _ parser: Parser, session: any NetworkSession, finder: ParserWorker?, cropper: ParserWorker?,
    threads: Int
  ) {
    self.parser = parser
    self.session = session
    self.finder = finder
    self.cropper = cropper
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
    let result =
      if let finder {
        try parse(decoded, finder: finder, for: parser, &merging)
      } else {
        try run(decoded.content, decoded.geometry, quality: parser.options.quality) {
          (output, passes) throws(FileFailure) in
          try merging.measure(.merge) { () throws(FileFailure) in
            try merge(output, of: decoded, for: parser, passes: passes)
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
      unmapped: remapped == nil ? nil : result,
      photo: parser.options.outputs.needsPhoto ? decoded.original : nil, times: times,
      encoder: parser.encoder)
  }

  /// Parses a photo and round each person in it a crop, the best ones first, and puts all together.
  private func parse(
    _ decoded: DecodedPhoto, finder: ParserWorker, for parser: Parser, _ merging: inout StageTimes
  ) throws(FileFailure) -> ParsingResult {
    guard let photo = decoded.original, let forFinder = decoded.forFinder.first,
      let finderOptions = parser.finder, let rules = parser.contract.postprocess.crops
    else { preconditionFailure("a parser with a finder has decoded the photo") }
    let found = try finder.infer(forFinder, for: finderOptions).result
    let quality = parser.options.quality
    crops.removeAll()
    let whole = Instance.Box(x: 0, y: 0, width: photo.width, height: photo.height)
    try run(decoded.content, decoded.geometry, quality: quality) {
      (output, _) throws(FileFailure) in
      try crops.add(output, of: parser.contract, geometry: decoded.geometry, box: whole)
    }
    let (worker, network) = (cropper ?? self, parser.cropper ?? parser)
    for person in found.persons?.list ?? [] {
      let box = person.box.widened(by: rules.margin, within: photo.width, photo.height)
      let (content, geometry) = network.content(of: photo.cropped(to: box))
      try worker.run(content, geometry, quality: quality) { (output, _) throws(FileFailure) in
        try crops.add(output, of: network.contract, geometry: geometry, box: box)
      }
    }
    return merging.measure(.merge) {
      postprocessor.run(crops, found: found, persons: parser.options.persons)
    }
  }

  /// Runs the network on an image, and with the best quality on its mirror image, too, and lends out what
  /// it returned as that of one run, with how many there were.
  private func run<Result>(
    _ content: RGBImage, _ geometry: NetworkGeometry, quality: Quality,
    _ body: (NetworkOutput, _ passes: Int) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    guard quality == .best else {
      return try run(content, geometry) { (output) throws(FileFailure) in try body(output, 1) }
    }
    try run(content, geometry) { (output) throws(FileFailure) in
      try passes.keep(output, geometry: geometry)
    }
    return try run(content, geometry, isMirrored: true) { (output) throws(FileFailure) in
      try passes.withBoth(mirrored: output, geometry: geometry) { (output) throws(FileFailure) in
        try body(output, 2)
      }
    }
  }

  /// Runs the network on a photo and lends out what it returned.
  package func run<Result>(
    _ decoded: DecodedPhoto, _ body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    try run(decoded.content, decoded.geometry, body)
  }

  /// Runs the network on an image, or on the mirror image of its input, and lends out what it returned.
  private func run<Result>(
    _ content: RGBImage, _ geometry: NetworkGeometry, isMirrored: Bool = false,
    _ body: (NetworkOutput) throws(FileFailure) -> Result
  ) throws(FileFailure) -> Result {
    let width = geometry.inputWidth
    return try session.run(
      width: width, height: geometry.inputHeight,
      fill: { input in
        preprocessor.fill(input, content: content, geometry: geometry)
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
