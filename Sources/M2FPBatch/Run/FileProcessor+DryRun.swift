import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

extension FileProcessor {
  /// What would become of a file; reads it only if that depends on its digest.
  func dryRun(_ job: FileJob) -> Outcome {
    let file = job.file
    if let failure = file.input.failure { return job.outcome(.failed(failure)) }
    do throws(FileFailure) {
      switch job.status {
      case .current: return job.outcome(.current)
      case .stale(let reason): return job.outcome(try planned(file, reason))
      case .touched(let digest):
        let contents = try read(file.input)
        let isSame = contents.bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } == digest
        return job.outcome(isSame ? .current : try planned(file, .changedInput))
      case .render, .edited:
        var times = StageTimes()
        guard let restored = try restore(file, times: &times) else {
          return job.outcome(try planned(file, .changedInput))
        }
        if let sidecar = unchanged(restored) {
          return job.outcome(restored.stored.isEdited ? .edited(sidecar) : .current)
        }
        let reason: RebuildReason =
          if case .render(let reason) = job.status { reason } else { .changedMap }
        return job.outcome(.planned(change(file.outputs, restored, reason)))
      }
    } catch {
      return job.outcome(.failed(error))
    }
  }

  /// What rendering would do.
  private func change(
    _ names: OutputNames, _ restored: Restored, _ reason: RebuildReason
  ) -> PlannedChange {
    let made = restored.changes.made.map(names.path) + [names.sidecar]
    let kept = Set(restored.changes.kept.map(\.path)).union(made)
    let there = stale(names, keeping: [], previous: restored.stored.sidecar)
    return PlannedChange(
      action: .render, reason: reason,
      written: made.filter { !there.contains($0) && $0 != names.sidecar },
      replaced: made.filter { there.contains($0) || $0 == names.sidecar },
      removed: stale(names, keeping: kept, previous: restored.stored.sidecar))
  }

  /// What parsing would do, as far as that does not depend on what is found.
  private func planned(
    _ file: PlannedFile, _ reason: RebuildReason
  ) throws(FileFailure) -> Outcome.Result {
    guard parser != nil else { throw Self.nothingToRender(reason) }
    let names = file.outputs
    var sure: [FilePath] = [names.map]
    if encoder.selection.personMap { sure.append(names.persons) }
    if let overlay = encoder.selection.overlay { sure.append(names.overlay(overlay.format)) }
    if let cutout = encoder.selection.cutout, cutout.classes != nil || !cutout.perPerson {
      sure.append(names.cutout)
    }
    if let obscured = encoder.selection.obscured { sure.append(names.obscured(obscured.format)) }
    sure.append(names.sidecar)
    let there = Set(stale(names, keeping: [], previous: Sidecar.read(of: names)))
    func isThere(_ path: FilePath) -> Bool {
      FileStamp(path: names.folder.appending(path.components)) != nil
    }
    /// Whether it depends on what is found, and is asked for.
    func mayBeMade(_ path: FilePath) -> Bool {
      switch names.kind(of: path) {
      case .mask(let slug): request.masks.contains(slug)
      case .personMask(let slug, _): request.persons?.masks.contains(slug) ?? false
      case .personCutout: request.cutout?.perPerson ?? false
      default: false
      }
    }
    let makesMasks =
      !request.masks.isEmpty || !(request.persons?.masks ?? []).isEmpty
      || request.cutout?.perPerson ?? false
    return .planned(
      PlannedChange(
        action: .parse, reason: reason,
        written: sure.filter { !isThere($0) }
          + (makesMasks ? [names.masks] : []),
        replaced: sure.filter(isThere),
        removed: there.filter { !sure.contains($0) && !mayBeMade($0) }.sorted {
          $0.bytes.lexicographicallyPrecedes($1.bytes)
        }))
  }

  /// The outputs that lie there and are not kept, in the order of their bytes.
  private func stale(
    _ names: OutputNames, keeping kept: Set<FilePath>, previous: Sidecar?
  ) -> [FilePath] {
    guard let folder = try? OpenFolder(names.folder, following: names.rule) else { return [] }
    // The map is replaced, never stale.
    return StaleOutputs(
      names, in: folder, previous: previous, slugs: slugs, keeping: kept
    ).existing.sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }
}
