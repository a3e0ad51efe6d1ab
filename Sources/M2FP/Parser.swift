import M2FPCore
import M2FPImageIO
import M2FPInference

/// Parser of photos: bytes in, results out. It knows no path but the model's.
///
/// Immutable and shared by any number of threads; it has none of its own. The network is loaded when
/// the first worker is made, and its weights are shared by all.
///
/// ```swift
/// let parser = try Parser(model: .named("m2fp-tiny"))
/// let worker = try parser.makeWorker(threads: 1)
/// let parsed = try worker.parse(bytes)
/// let map = try parsed.encode(.labelMap)
/// ```
///
/// Who has threads of his own takes the three steps apart: ``decode(_:)`` on any thread,
/// ``ParserWorker/infer(_:)`` on the worker's, ``encode(_:)`` on any.
public final class Parser: Sendable {
  /// Makes the network's session of a worker, on the worker's thread.
  package typealias SessionFactory =
    @Sendable (_ threads: Int) throws(RunFailure)
    -> any NetworkSession

  public let contract: ModelContract
  public let options: ParserOptions
  /// The classes of the results, the background first.
  public var classes: [String] { encoder.classes }
  package let encoder: ResultEncoder
  /// Who finds the persons that this network parses one by one; nil where it needs nobody.
  let finder: Parser?
  /// Who parses them, where it is not this network.
  let cropper: Parser?
  private let loadNetwork: @Sendable () throws(RunFailure) -> Void
  private let makeSession: SessionFactory
  /// Those that no thread uses at the moment: they keep scratch memory.
  private let preprocessors = Locked<[UncheckedBox<Preprocessor>]>([])

  /// Makes a parser for a model that is found by its name, or that lies in a file.
  ///
  /// - Parameters:
  ///   - model: Which.
  ///   - locator: Where models are looked for by name.
  ///   - options: How photos are parsed.
  /// - Throws: ``RunFailure``: of kind ``RunFailure/Kind/modelMissing``, or
  ///   ``RunFailure/Kind/modelContract`` where the archive is damaged or of another version.
  public convenience init(
    model: ModelReference, in locator: ModelLocator = .standard,
    options: ParserOptions = ParserOptions()
  ) throws(RunFailure) {
    self.init(try locator.open(model), options: options)
  }

  /// Makes a parser for a model.
  ///
  /// - Parameters:
  ///   - archive: The model; it is loaded when the first worker is made.
  ///   - options: How photos are parsed.
  /// - Precondition: A ``ModelLocator`` has opened it, where it needs other models.
  public convenience init(_ archive: ModelArchive, options: ParserOptions = ParserOptions()) {
    let loader = ModelLoader(archive, precision: options.precision)
    self.init(
      contract: archive.contract, options: options,
      finder: Self.helper(.finder, of: archive, options),
      cropper: Self.helper(.crops, of: archive, options),
      loadNetwork: { () throws(RunFailure) in _ = try loader.model() },
      makeSession: { threads throws(RunFailure) in
        try TorchSession(model: loader.model(), threads: threads)
      })
  }

  /// Makes a parser round any network.
  ///
  /// - Parameters:
  ///   - contract: The network's.
  ///   - options: How photos are parsed.
  ///   - finder: Who finds persons; one where the contract has crops, and only there.
  ///   - cropper: Who parses them, where the contract names another network for it.
  ///   - loadNetwork: Loads the network ahead of time.
  ///   - makeSession: Makes the session of a worker.
  package init(
    contract: ModelContract, options: ParserOptions, finder: Parser? = nil,
    cropper: Parser? = nil,
    loadNetwork: @escaping @Sendable () throws(RunFailure) -> Void = { () throws(RunFailure) in },
    makeSession: @escaping SessionFactory
  ) {
    precondition((finder != nil) == (contract.postprocess.crops != nil))
    self.loadNetwork = loadNetwork
    self.contract = contract
    self.finder = finder
    self.cropper = cropper
    self.options = options
    self.makeSession = makeSession
    let classes = options.remap?.classes ?? contract.classes
    var outputs = options.outputs
    if outputs.palette.isEmpty { outputs.palette = options.remap?.palette ?? contract.palette }
    encoder = ResultEncoder(outputs, classes: classes)
  }

  /// A parser for the same network that does something else with it: other sizes, limits, persons or
  /// pictures. Workers of the one serve the other (``ParserWorker/infer(_:for:)``).
  ///
  /// - Precondition: The precision is the same, for which the weights are packed.
  package func with(_ options: ParserOptions) -> Parser {
    precondition(options.precision == self.options.precision)
    return Parser(
      contract: contract, options: options,
      finder: finder.map { $0.with(Self.options(of: $0.contract, for: options)) },
      cropper: cropper.map { $0.with(Self.options(of: $0.contract, for: options)) },
      loadNetwork: loadNetwork, makeSession: makeSession)
  }

  private static func helper(
    _ helper: ModelArchive.Helper, of archive: ModelArchive, _ options: ParserOptions
  ) -> Parser? {
    archive.helpers[helper].map { Parser($0, options: Self.options(of: $0.contract, for: options)) }
  }

  /// What a network that another one needs is asked for.
  private static func options(
    of helper: ModelContract, for options: ParserOptions
  ) -> ParserOptions {
    var own = ParserOptions()
    own.maxSide = options.maxSide
    own.precision = options.precision
    own.quality = options.quality
    own.persons = options.persons ?? .standard(helper)
    return own
  }

  /// Decodes a photo and brings it to the network's size. Any thread.
  ///
  /// - Parameter bytes: A whole file, of a format in ``ImageFormat``.
  /// - Returns: What ``ParserWorker/infer(_:)`` takes.
  /// - Throws: ``FileFailure`` of stage `decode`.
  public func decode(_ bytes: [UInt8]) throws(FileFailure) -> DecodedPhoto {
    var times = StageTimes()
    let decoded = try times.measure(.decode) { () throws(FileFailure) in
      try ImageDecoder.decode(
        bytes, limits: options.limits, refuseDamaged: options.refusesDamaged)
    }
    return decode(decoded, times)
  }

  /// Brings an image that is decoded already to the network's size. Any thread.
  ///
  /// - Parameter image: Upright.
  /// - Returns: What ``ParserWorker/infer(_:)`` takes.
  public func decode(_ image: RGBImage) -> DecodedPhoto {
    let decoded = DecodedImage(
      image: image, format: .png, orientation: 1, warnings: [], isDamaged: false)
    return decode(decoded, StageTimes())
  }

  private func decode(_ decoded: DecodedImage, _ times: StageTimes) -> DecodedPhoto {
    var times = times
    let image = decoded.image
    let (content, geometry) = times.measure(.resize) { self.content(of: image) }
    let forFinder: [DecodedPhoto] = times.measure(.resize) {
      if let finder { [finder.decode(image)] } else { [] }
    }
    return DecodedPhoto(
      source: DecodedPhoto.Source(
        format: decoded.format, orientation: decoded.orientation, width: image.width,
        height: image.height),
      warnings: decoded.warnings, content: content, geometry: geometry,
      original: options.outputs.needsPhoto || finder != nil ? image : nil, forFinder: forFinder,
      times: times)
  }

  /// An image as the network takes it, and where it lies in the input. Any thread.
  func content(of image: RGBImage) -> (content: RGBImage, geometry: NetworkGeometry) {
    let preprocessor = takePreprocessor()
    defer { putBack(preprocessor) }
    let geometry = preprocessor.geometry(width: image.width, height: image.height)
    return (preprocessor.content(of: image, geometry: geometry), geometry)
  }

  /// Loads the network now rather than with the first worker. Any thread.
  ///
  /// - Throws: As ``makeWorker(threads:)``.
  public func load() throws(RunFailure) {
    try finder?.load()
    try cropper?.load()
    try loadNetwork()
  }

  /// Makes a worker for the calling thread, and loads the network if that has not been done.
  ///
  /// - Parameter threads: How many threads share the work on one photo, the calling one included.
  ///   Scores depend on it in their last digits.
  /// - Returns: The worker; it belongs to the calling thread.
  /// - Throws: ``RunFailure``: of kind ``RunFailure/Kind/modelContract`` or
  ///   ``RunFailure/Kind/libraryMissing`` when the network cannot be loaded.
  public func makeWorker(threads: Int = 1) throws(RunFailure) -> ParserWorker {
    ParserWorker(
      self, session: try makeSession(threads), finder: try finder?.makeWorker(threads: threads),
      cropper: try cropper?.makeWorker(threads: threads), threads: threads)
  }

  /// Makes all pictures of the options. Any thread.
  ///
  /// - Returns: The pictures, the label map first.
  /// - Throws: ``FileFailure`` of stage `encode`.
  public func encode(_ parsed: ParsedPhoto) throws(FileFailure) -> [EncodedOutput] {
    try encoder.encode(of: parsed.result, photo: parsed.photo)
  }

  func takePreprocessor() -> Preprocessor {
    preprocessors.withLock { $0.popLast()?.value }
      ?? Preprocessor(contract.preprocess, maxSide: options.maxSide)
  }

  func putBack(_ preprocessor: Preprocessor) {
    preprocessors.withLock { $0.append(UncheckedBox(value: preprocessor)) }
  }
}

/// A value that goes from thread to thread and is used by one at a time.
private struct UncheckedBox<Value>: @unchecked Sendable {
  let value: Value
}

/// Loads a model when it is first asked for, once for all workers.
private final class ModelLoader: Sendable {
  private let archive: ModelArchive
  private let precision: Precision
  private let loaded = Locked<Model?>(nil)

  init(_ archive: ModelArchive, precision: Precision) {
    self.archive = archive
    self.precision = precision
  }

  func model() throws(RunFailure) -> Model {
    try loaded.withLock { (loaded) throws(RunFailure) in
      if let loaded { return loaded }
      let model = try Model(archive, precision: precision)
      loaded = model
      return model
    }
  }
}
