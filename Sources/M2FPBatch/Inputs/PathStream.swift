import Glibc
import M2FPCore
import M2FPFiles
import M2FPResults
import SystemPackage

/// Puts into a ``FileStream`` what a list names, as its entries come out of a pipe.
///
/// Which of two inputs gets the outputs that both claim is told when the second comes. The folders that
/// the list tells of are locked when they are first named, until this object goes.
public final class PathStream: Sendable {
  private let selection: Selection
  private let out: FilePath?
  private let naming: Naming
  private let zeroTerminated: Bool
  private let lockMode: OutputLock.Mode
  private let locks = Locked<[OutputLock]>([])

  /// - Parameters:
  ///   - selection: What of the files is taken, and which part of them; it has no list.
  ///   - out: The folder that holds the tree of the inputs; nil for outputs beside them.
  ///   - naming: How outputs are named.
  ///   - zeroTerminated: Whether entries end with a zero byte rather than a line feed.
  ///   - lockMode: What to do where another run holds a lock.
  public init(
    _ selection: Selection, out: FilePath?, naming: Naming, zeroTerminated: Bool,
    lockMode: OutputLock.Mode
  ) {
    self.selection = selection
    self.out = out
    self.naming = naming
    self.zeroTerminated = zeroTerminated
    self.lockMode = lockMode
  }

  /// Bytes, far beyond any path.
  private static let entryLimit = 1 << 20

  /// Fills a stream until the list ends or the run is cancelled.
  ///
  /// - Parameters:
  ///   - stream: The run's.
  ///   - list: Where the list comes from.
  ///   - cancellation: Ends it; cancelled where the list cannot be read, or a lock cannot be had.
  ///   - onLeftOut: Called with each thing that is not parsed.
  public func fill(
    _ stream: FileStream, from list: FileDescriptor, cancellation: Cancellation,
    onLeftOut: (LeftOut) -> Void
  ) {
    do throws(RunFailure) {
      var plan = OutputPlan(root: out, naming: naming, links: selection.links) { names, stem in
        NameProbe.isOneName(names.stem, stem, in: names.folder, following: names.rule)
      }
      var lockedRoots: Set<FilePath> = []
      let end: UInt8 = zeroTerminated ? 0 : UInt8(ascii: "\n")
      var rest: [UInt8] = []
      var isOpen = true
      while isOpen, !cancellation.isCancelled {
        var poll = pollfd(fd: list.rawValue, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, 200) != 0 else { continue }
        let block = try Self.read(list)
        isOpen = !block.isEmpty
        // The last entry need not be ended.
        rest += isOpen ? block : [end]
        guard let last = rest.lastIndex(of: end) else {
          guard rest.count <= Self.entryLimit else {
            throw RunFailure(
              .noInput, "an entry of the list '-' is longer than any path: \(rest.count) bytes")
          }
          continue
        }
        let entries = PathList(Array(rest[..<last]), zeroTerminated: zeroTerminated)
        rest.removeSubrange(...last)
        for entry in entries.entries where !cancellation.isCancelled {
          if out == nil, let root = entry.root, lockedRoots.insert(root).inserted {
            try lock(PathList(entry), cancellation)
          }
          let inputs = InputDiscovery.inputs(
            under: [], listed: [entry], recursive: selection.recursive, filter: selection.filter,
            links: selection.links, byName: selection.byName, cancellation: cancellation,
            onLeftOut: onLeftOut)
          for input in inputs where selection.shard?.contains(input.relativePath) ?? true {
            if let file = plan.place(input) { stream.push(file) }
          }
        }
      }
    } catch {
      cancellation.cancel(.failure(error))
    }
    stream.finish()
  }

  private func lock(_ list: PathList, _ cancellation: Cancellation) throws(RunFailure) {
    var selection = selection
    selection.list = list
    let new = try OutputLock.acquire(
      selection, out: nil, mode: lockMode, cancellation: cancellation, onWait: { _ in })
    locks.withLock { $0 += new }
  }

  private static func read(_ list: FileDescriptor) throws(RunFailure) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: 1 << 16)
    do {
      let count = try block.withUnsafeMutableBytes { try list.read(into: $0) }
      return Array(block[..<count])
    } catch {
      let reason = Errno(error)
      throw RunFailure(
        .noInput, "the list '-' cannot be read: \(reason.reason)", underlying: reason)
    }
  }
}
