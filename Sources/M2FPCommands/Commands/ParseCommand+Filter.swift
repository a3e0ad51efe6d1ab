import ArgumentParser
import FoundationEssentials
import Glibc
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import SystemPackage

/// `m2fp parse - <photo.jpg >map.png`: one photo in, one output out, and no file is written.
extension ParseCommand {
  /// Whether the photo is on standard input.
  var isFilter: Bool { selection.paths == [Self.standardInput] }

  private static let standardInput: FilePath = "-"

  /// - Throws: `ValidationError` for options that mean files where there are none, or a stream where
  ///   there are files.
  func validateFilter() throws {
    guard isFilter else {
      if selection.paths.contains(Self.standardInput) {
        throw ValidationError("- is the photo on standard input: name no others beside it.")
      }
      if filter.output != nil {
        throw ValidationError(
          "--output is for the photo on standard input: m2fp parse - <photo.jpg; files get what --masks, "
            + "--overlay and the like say.")
      }
      return
    }
    let given = [
      ("cutout-persons", pictures.cutouts.cutoutPersons), ("dry-run", usual.dryRun),
      ("export", !exports.exports.isEmpty), ("failed-to", faults.failedTo != nil),
      ("files-from", selection.filesFrom != nil), ("json", messages.json),
      ("masks", usual.masks != "all"), ("out", usual.out != nil), ("overlay", pictures.overlay),
      ("person-masks", personOutputs.personMasks != nil), ("sheet", exports.sheet != nil),
    ]
    if let option = given.first(where: \.1)?.0 {
      throw ValidationError(
        "--\(option) does not go with the photo on standard input: --output says what is made of it."
      )
    }
  }

  /// Parses the photo on standard input, and writes one output of it to standard output.
  ///
  /// - Throws: `ValidationError` where standard input or output is not what it must be, ``RunFailure``
  ///   where the network cannot be run, `ExitCode` where the photo cannot be parsed.
  func parseStandardInput(_ logger: Logger, _ metrics: RunMetrics?) throws {
    let output = filter.output ?? .json
    if isatty(STDIN_FILENO) == 1 {
      throw ValidationError("Standard input is a terminal: m2fp parse - <photo.jpg.")
    }
    if output != .json, isatty(STDOUT_FILENO) == 1 {
      throw ValidationError("A picture is nothing for a terminal: m2fp parse - ... >file.")
    }
    let archive = try trust.checked(ModelLocator.standard.open(ModelReference(usual.model)))
    var options = try parserOptions(archive, logger)
    let classes = options.remap?.classes ?? archive.contract.classes
    let picture = try output.picture(of: pictures, classes: classes)
    // Only what is written is made, and the photo is kept only for that.
    options.outputs.cutout =
      output == .cutout
      ? try options.outputs.cutout
        ?? OutputSelection.Cutout(
          classes: Set(1..<classes.count), perPerson: false, style: pictures.cutouts.style())
      : nil
    if output != .obscured { options.outputs.obscured = nil }
    options.outputs.overlay = output == .overlay ? try pictures.style() : nil
    let parser = Parser(archive, options: options)

    var summary = BatchSummary()
    let start = ContinuousClock.now
    do {
      // What cannot be decoded needs no network.
      let bytes = try standardInput()
      let photo = try parser.decode(bytes)
      let plan = ThreadPlan(jobs: 1, threads: threading.threads, files: 1, budget: .current())
      try memory.check(
        threads: plan.threads, archive: archive, parsing: options,
        photo: LargestPhoto(
          pixels: photo.source.width * photo.source.height, fileSize: bytes.count))
      try plan.check()
      let parsed = try parser.makeWorker(threads: plan.threads).infer(photo)
      for warning in parsed.warnings { logger.warning("standard input: \(warning)") }
      Console.write(
        try picture.map { try parsed.encode($0).data } ?? parsed.json + Data("\n".utf8))
      summary.parsed = 1
    } catch let error as FileFailure {
      logger.error("failed (\(error.stage.rawValue)) standard input: \(error.text)")
      summary.failed = 1
    }
    summary.wallSeconds = (ContinuousClock.now - start) / .seconds(1)
    metrics?.finish(summary)
    let code = ExitStatus.code(summary, signal: nil)
    if code != 0 { throw ExitCode(code) }
  }

  private func standardInput() throws(FileFailure) -> [UInt8] {
    do throws(Errno) {
      return try FileReader.readToEnd(.standardInput, limit: maxFileSize << 20)
    } catch {
      guard error == .fileTooLarge else { throw .reading(error) }
      throw FileFailure(
        stage: .read, code: .fileTooLarge,
        message: "the photo has more than the limit of \(ByteCount(maxFileSize << 20))",
        detail: .overLimit)
    }
  }
}
