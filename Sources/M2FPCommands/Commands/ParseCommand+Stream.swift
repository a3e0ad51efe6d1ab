import ArgumentParser
import Logging
import M2FP
import M2FPBatch
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPInference
import M2FPResults
import SystemPackage

/// Runs whose files come while they go on: those of `--files-from -`, and `m2fp watch`.
extension ParseCommand {
  /// Whether files are parsed before the list on standard input ends: nothing is wanted that is of all of
  /// them, or is told of them beforehand.
  var isStream: Bool {
    selection.filesFrom == "-" && selection.paths.isEmpty && exports.requests.isEmpty
      && !usual.dryRun
  }

  /// Parses files as they come: into folders where `isWatch`, else by the list on standard input.
  func parseStream(isWatch: Bool, _ logger: Logger, _ metrics: RunMetrics?) throws {
    let cancellation = Cancellation(timeLimit: faults.timeLimit?.duration)
    let signals = SignalWatch(cancellation, logger)
    defer { signals.stop() }
    let archive = try trust.checked(ModelLocator.standard.open(ModelReference(usual.model)))
    let parser = Parser(archive, options: try parserOptions(archive, logger))
    let selected = try selection.selection(readingList: false)
    let failureList = try faults.failedTo.map { path in
      try FailureList(path, zeroTerminated: selection.zeroTerminated)
    }
    var locks = try OutputLock.acquire(
      selected, out: usual.out, mode: faults.lock, cancellation: cancellation
    ) { path in
      logger.notice("waiting for the run that holds \(path)")
    }
    defer { locks.removeAll() }
    let options = try batchOptions(links: selected.links)
    let batch = Batch(
      parser: parser, options: options,
      model: try ModelIdentity(archive))
    let workers = try workers(
      files: nil, needNetwork: true, archive, parser.options, options, logger)

    var reporters = RunReporters(
      list: messages.reporters(total: nil, logger: logger), logger: logger)
    if let metrics { reporters.list.append(metrics) }
    if let failureList {
      reporters.list.append(FailureListReporter(failureList, logger: logger))
    }
    reporters.list.append(PlaceReporter(out: usual.out, logger: logger))

    let leftOut = Locked(LeftOutCounts())
    let onLeftOut: @Sendable (LeftOut) -> Void = { thing in
      leftOut.withLock { $0.add(thing.kind) }
      if thing.kind == .link {
        logger.warning("\(thing.path): \(ProgressReporter.leftOutReason)")
      } else {
        logger.debug("\(thing.path): left out (\(thing.kind.name))")
      }
    }
    let watch = isWatch ? Watch(selected, out: usual.out, naming: naming) : nil
    // Of a list no more is read than is soon parsed; what happens in folders is not told twice.
    let stream = FileStream(capacity: isWatch ? .max : 1024)
    let list = PathStream(
      selected, out: usual.out, naming: naming, zeroTerminated: selection.zeroTerminated,
      lockMode: faults.lock)
    let source = try WorkerThread {
      if let watch {
        watch.fill(stream, cancellation: cancellation, onLeftOut: onLeftOut)
      } else {
        list.fill(stream, from: .standardInput, cancellation: cancellation, onLeftOut: onLeftOut)
      }
    }
    var summary = batch.run(stream, on: workers, cancellation: cancellation) { outcome in
      watch?.done(outcome)
      reporters.add(outcome)
    }
    source.join()
    withExtendedLifetime(list) {}
    summary.leftOut = leftOut.withLock { $0 }
    // A signal is how watching ends.
    try reporters.finish(
      summary, signal: isWatch ? nil : signals.received, cacheProblem: options.cache?.problem)
  }
}
