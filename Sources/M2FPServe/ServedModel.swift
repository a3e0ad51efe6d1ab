import FoundationEssentials
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// A network with its identity, and what can be done to a photo with it.
package final class ServedModel: Sendable {
  package let parser: Parser
  package let identity: ModelIdentity
  /// Where results of earlier photos are; nil for nowhere.
  package let cache: ResultCache?
  /// The version that sidecars name.
  package let version: String
  /// The text of what is done to photos that ask for nothing of their own: part of all their keys.
  fileprivate let optionsText: [UInt8]

  /// - Precondition: The parser tells persons apart, as results on disk do.
  package init(_ parser: Parser, identity: ModelIdentity, cache: ResultCache?, version: String) {
    precondition(parser.options.persons != nil)
    self.parser = parser
    self.identity = identity
    self.cache = cache
    self.version = version
    optionsText = Sidecar.text(of: Sidecar.Options(parser.options, encoder: parser.encoder))
  }

  /// What is done to photos that ask for something of their own.
  package func request(_ options: ParserOptions? = nil) -> PhotoRequest {
    // One that is the same has scratch memory to hand.
    let own = options.flatMap { $0 == parser.options ? nil : parser.with($0) }
    return PhotoRequest(model: self, parser: own ?? parser)
  }
}

/// What is asked of a photo: a network, and options.
package struct PhotoRequest: Sendable {
  package let model: ServedModel
  package let parser: Parser

  fileprivate init(model: ServedModel, parser: Parser) {
    self.model = model
    self.parser = parser
  }

  private var options: Sidecar.Options { Sidecar.Options(parser.options, encoder: parser.encoder) }

  /// The key of the result of a photo with this SHA-256.
  package func key(digest: String) -> String {
    ResultCache.key(
      input: digest, model: model.identity,
      options: parser === model.parser ? model.optionsText : Sidecar.text(of: options))
  }

  /// What the cache has under a key.
  func cached(_ key: String) -> (result: PhotoResult?, isDamaged: Bool) {
    switch model.cache?.fetch(key, for: .standard) {
    case .hit(let entry): (PhotoResult(key: key, entry), false)
    case .damaged: (nil, true)
    case .miss, nil: (nil, false)
    }
  }

  func store(_ result: PhotoResult) {
    // For this user alone: whoever sent the photo has not said who may see it.
    model.cache?.store(
      result.key, sidecar: result.sidecar, stem: [], access: .owner, warnings: result.warnings,
      outputs: result.files.map { file in { $0.copyBytes(from: file.bytes) } })
  }

  /// Parses a photo and makes its outputs. On the worker's thread.
  ///
  /// - Parameters:
  ///   - bytes: The file.
  ///   - digest: Its SHA-256.
  ///   - key: The result's.
  ///   - limit: Bytes that its outputs may have together.
  ///   - worker: Of the network.
  /// - Returns: All that is made of it.
  /// - Throws: ``FileFailure`` of stage `decode`, `infer` or `encode`.
  func parse(
    _ bytes: [UInt8], digest: String, key: String, limit: Int, worker: ParserWorker
  ) throws(FileFailure) -> PhotoResult {
    let found = try worker.infer(try parser.decode(bytes), for: parser)
    var times = found.times
    let (files, sidecar) = try times.measure(.encode) { () throws(FileFailure) in
      let encoded = try encode(found, limit: limit)
      let names = OutputNames(folder: "", stem: [])
      let files = encoded.map {
        PhotoResult.File(suffix: names.path(of: $0.kind).bytes, kind: $0.kind, bytes: $0.file.data)
      }
      let sidecar = Sidecar(
        version: model.version,
        source: Sidecar.Source(
          name: "", size: bytes.count, sha256: digest, format: found.source.format,
          orientation: found.source.orientation, width: found.source.width,
          height: found.source.height),
        model: model.identity, options: options,
        labels: Sidecar.Labels(names: parser.classes, sha256: found.result.labels.digest),
        found: ResultSummary(found.result, classes: parser.classes, masks: true),
        raw: found.unmapped.map { Sidecar.Raw($0, names: parser.contract.classes) },
        outputs: encoded.map {
          Sidecar.Output(path: names.path(of: $0.kind), size: $0.file.count)
        })
      return (files, sidecar)
    }
    return PhotoResult(
      key: key, sidecar: sidecar, files: files, warnings: found.warnings, times: times)
  }

  /// Makes the outputs one by one, as long as they may be held.
  private func encode(
    _ found: ParsedPhoto, limit: Int
  ) throws(FileFailure) -> [EncodedOutput] {
    var (outputs, size): ([EncodedOutput], Int) = ([], 0)
    for kind in parser.encoder.kinds(of: found.result) {
      let output = try parser.encoder.encode(kind, of: found.result, photo: found.photo)
      size += output.file.count
      guard size <= limit else {
        throw FileFailure(
          stage: .encode, code: .imageTooLarge,
          message: "the outputs that are asked for take more than \(ByteCount(limit))")
      }
      outputs.append(output)
    }
    return outputs
  }
}

extension PhotoResult {
  /// What the cache has; nil where it has what is no output.
  init?(key: String, _ entry: ResultCache.Entry) {
    let names = OutputNames(folder: "", stem: [])
    var files: [File] = []
    entry.forEachOutput { output, bytes, _ in
      guard let kind = names.kind(of: output.path) else { return }
      files.append(File(suffix: output.path.bytes, kind: kind, bytes: Data(bytes)))
    }
    guard files.count == entry.sidecar.outputs.count else { return nil }
    self.init(
      key: key, sidecar: entry.sidecar, files: files, warnings: entry.warnings,
      times: StageTimes())
  }
}
