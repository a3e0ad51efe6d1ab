import FoundationEssentials
import M2FPCore
import M2FPFiles
import M2FPImageIO
import M2FPResults
import SystemPackage

/// What a user's paths, lists, patterns and shard select.
public struct Selection: Sendable {
  /// Files and folders.
  public var paths: [FilePath]
  /// More of them; nil if there is no list.
  public var list: PathList?
  /// Whether folders within folders count.
  public var recursive = true
  public var filter = PathFilter()
  /// Which symbolic links are followed, of those that ``paths`` does not name.
  public var links = LinkPolicy.own
  /// Whether names alone decide which files in folders are photos.
  public var byName = false
  /// What the run writes besides results: where earlier runs have written it, it is not counted as left
  /// out.
  public var written: [FilePath] = []
  /// What part of the files is done; nil for all.
  public var shard: Shard?

  public init(paths: [FilePath]) {
    self.paths = paths
  }

  /// Finds the files and plans their outputs.
  ///
  /// The whole is planned before the shard is taken out, so that all shards agree which of two
  /// inputs gets the outputs that both claim.
  ///
  /// - Parameters:
  ///   - out: The folder that holds the tree of the inputs; nil for outputs beside them.
  ///   - naming: How outputs are named.
  ///   - probing: Whether a file may be made for a moment where the outputs go, to ask the file
  ///     system which names it takes for one.
  ///   - cancellation: Ends looking into files; those that are left then count as photos.
  ///   - onLeftOut: Called with each thing in a folder that is not parsed, and each link that is not
  ///     followed.
  /// - Returns: The files; none if the list is empty, or nothing is in the shard.
  /// - Throws: ``RunFailure`` of kind ``RunFailure/Kind/noInput`` when the paths hold no photo.
  public func plan(
    out: FilePath?, naming: Naming, probing: Bool = true, cancellation: Cancellation? = nil,
    onLeftOut: (LeftOut) -> Void = { _ in }
  ) throws(RunFailure) -> [PlannedFile] {
    var leftOut = LeftOutCounts()
    let current = FilePath(FileManager.default.currentDirectoryPath)
    func canonical(_ path: FilePath) -> FilePath { current.pushing(path).lexicallyNormalized() }
    let written = written.map(canonical)
    let inputs = InputDiscovery.inputs(
      under: paths, listed: list?.entries ?? [], recursive: recursive, filter: filter, links: links,
      byName: byName, cancellation: cancellation
    ) { thing in
      // Shards count each thing once among them.
      guard shard?.contains(thing.relativePath) ?? true,
        !written.contains(where: { canonical(thing.path).starts(with: $0) })
      else { return }
      leftOut.add(thing.kind)
      onLeftOut(thing)
    }
    // A list that is empty, or names what has gone meanwhile, was still read as it should be.
    if list == nil || !paths.isEmpty, inputs.allSatisfy({ $0.failure?.code == .missing }) {
      let places = paths.map { "'\($0)'" }.joined(separator: ", ")
      throw RunFailure(
        .noInput,
        inputs.isEmpty
          ? "no photo \(filter == PathFilter() ? "" : "that the patterns select ")"
            + "found in \(places): m2fp reads \(ImageFormat.list)"
            + (leftOut.total > 0 ? "; \(leftOut.total) left out: \(leftOut.text())" : "")
          : "\(places): no such file or folder",
        detail: inputs.isEmpty && filter != PathFilter() ? .nothingSelected : nil)
    }
    let files = OutputPlan.plan(inputs, root: out, naming: naming, links: links) { names, stem in
      probing
        && NameProbe.isOneName(names.stem, stem, in: names.folder, following: names.rule)
    }
    guard let shard else { return files }
    return files.filter { shard.contains($0.input.relativePath) }
  }
}
