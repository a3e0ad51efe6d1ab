import ArgumentParser
import FoundationEssentials
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults

/// How much memory a run may take.
struct MemoryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Start no more workers than fit into this much memory (800M, 4G); if not even one does, \
      refuse with 75 and say what is needed. Default: what the control group or the machine has.
      """, valueName: "size"))
  var memoryLimit: ByteCount?

  /// How many of the planned workers fit.
  ///
  /// - Parameters:
  ///   - wanted: How many are planned.
  ///   - threads: Intra-op threads of each.
  ///   - isFixed: Whether the user asked for just as many workers.
  ///   - archive: The model.
  ///   - parsing: How photos are parsed.
  ///   - files: Whose headers are looked at only when the largest that the limits let pass do not
  ///     fit.
  ///   - options: How large files may be, and which links are followed.
  /// - Returns: At least 1, at most as many as are planned.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` with the figure.
  func fittingJobs(
    _ wanted: Int, threads: Int, isFixed: Bool, archive: ModelArchive, parsing: ParserOptions,
    files: [PlannedFile]?, _ options: BatchOptions
  ) throws(RunFailure) -> Int {
    func estimate(_ photo: LargestPhoto) -> MemoryEstimate {
      Self.estimate(archive, parsing, photo, keepsPhotos: parsing.outputs.needsPhoto)
    }
    let allowed = LargestPhoto(
      pixels: parsing.limits.maxPixels, fileSize: options.maxFileSize)
    if estimate(allowed).total(jobs: wanted) <= usable(jobs: wanted, threads: threads).bytes {
      return wanted
    }
    return try fittingJobs(
      wanted, threads: threads, isFixed: isFixed,
      need: estimate(
        files.map { .among($0, allowed: allowed, links: options.links) } ?? allowed))
  }

  /// Checks that one worker fits, for one photo that was read.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` with the figure.
  func check(
    threads: Int, archive: ModelArchive, parsing: ParserOptions, photo: LargestPhoto
  ) throws(RunFailure) {
    _ = try fittingJobs(
      1, threads: threads, isFixed: false,
      need: Self.estimate(archive, parsing, photo, keepsPhotos: parsing.outputs.needsPhoto))
  }

  private func usable(jobs: Int, threads: Int) -> (bytes: Int, limit: MemoryBudget.Limit) {
    MemoryBudget.current().usable(
      threads: ThreadPlan.threads(jobs: jobs, threads: threads), ceiling: memoryLimit?.bytes)
  }

  private static func estimate(
    _ archive: ModelArchive, _ parsing: ParserOptions, _ photo: LargestPhoto, keepsPhotos: Bool
  ) -> MemoryEstimate {
    MemoryEstimate(
      networks: archive.all.map { network($0, parsing) }, keptBytes: keptBytes(archive),
      photo: photo, keepsPhotos: keepsPhotos || archive.contract.postprocess.crops != nil)
  }

  private static func network(
    _ archive: ModelArchive, _ parsing: ParserOptions
  ) -> MemoryEstimate.Network {
    let contract = archive.contract
    let pixels = contract.preprocess.largestInput(maxSide: parsing.maxSide)
    return MemoryEstimate.Network(
      archiveSize: archive.size, pixels: pixels,
      activationBytes: contract.activationBytes.map {
        Int(Double($0) * Double(pixels) / Double(contract.preprocess.largestInput(maxSide: 0)))
      },
      refines: parsing.quality != .fast && contract.postprocess.instanceRules?.refine != nil,
      mirrors: parsing.quality == .best)
  }

  /// The logits of the photo and of the crops round as many persons as are ever found.
  private static func keptBytes(_ archive: ModelArchive) -> Int {
    guard let finder = archive.helpers[.finder]?.contract.postprocess.instanceRules else {
      return 0
    }
    func logits(_ contract: ModelContract) -> Int {
      guard case .dense(let rules) = contract.postprocess else { return 0 }
      return contract.preprocess.largestInput(maxSide: 0) / (rules.stride * rules.stride)
        * contract.classes.count * MemoryLayout<Float>.size
    }
    let crops = archive.helpers[.crops] ?? archive
    return logits(archive.contract)
      + (finder.maxPersons ?? finder.topK) * logits(crops.contract)
  }

  private func fittingJobs(
    _ wanted: Int, threads: Int, isFixed: Bool, need: MemoryEstimate
  ) throws(RunFailure) -> Int {
    func usable(jobs: Int) -> (bytes: Int, limit: MemoryBudget.Limit) {
      self.usable(jobs: jobs, threads: threads)
    }
    let fitting = (1...wanted).reversed().first {
      need.total(jobs: $0) <= usable(jobs: $0).bytes
    }
    if let fitting, fitting == wanted || !isFixed { return fitting }

    let jobs = isFixed ? wanted : 1
    let (limit, source) = usable(jobs: jobs)
    let more =
      switch source {
      case .addressSpace: "raise the process's limit of address space (ulimit -v)"
      case .data: "raise the process's limit of data (ulimit -d)"
      case .machine, .controlGroup:
        memoryLimit == nil ? "give the process more memory" : "raise --memory-limit"
      }
    let remedies = [
      fitting.map { "use --jobs \($0)" }, more,
      "lower --max-side or --max-pixels",
    ]
    throw RunFailure(
      .temporary,
      """
      \(jobs) worker\(jobs == 1 ? "" : "s") need\(jobs == 1 ? "s" : "") about \
      \(ByteCount(need.total(jobs: jobs))) of memory (model \(ByteCount(need.model)), network \
      \(ByteCount(jobs * need.network)), photos \(ByteCount(need.photos(jobs: jobs)))), and the \
      limit is \(ByteCount(limit))\(Self.what(source)): \(remedies.compactMap(\.self).joined(separator: ", or ")).
      """)
  }

  /// Checks that workers fit, with the largest photos that come one by one and memory for others.
  ///
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/temporary`` with the figure.
  func check(
    jobs: Int, threads: Int, archive: ModelArchive, parsing: ParserOptions, photoBytes: Int,
    besides bytes: Int
  ) throws(RunFailure) {
    let usable = usable(jobs: jobs, threads: threads)
    let estimate = Self.estimate(
      archive, parsing,
      LargestPhoto(pixels: parsing.limits.maxPixels, fileSize: photoBytes), keepsPhotos: false)
    let need = estimate.total(jobs: jobs) + bytes
    guard need > usable.bytes else { return }
    throw RunFailure(
      .temporary,
      """
      \(jobs) worker\(jobs == 1 ? "" : "s") and the photos that wait need about \(ByteCount(need)) of \
      memory, and the limit is \(ByteCount(usable.bytes))\(Self.what(usable.limit)): use fewer --jobs, \
      less --queue-bytes or --max-pixels, or raise --memory-limit.
      """)
  }

  private static func what(_ limit: MemoryBudget.Limit) -> String {
    switch limit {
    case .addressSpace: " of the address space that the process may have, less what libraries map"
    case .data: " of the data that the process may map, less that of libraries"
    case .machine, .controlGroup: ""
    }
  }
}
